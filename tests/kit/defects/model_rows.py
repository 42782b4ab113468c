"""A row is lost.

Found by: its answers are such as its kind allows.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"
    schema = {}
    examples = ({"x": [1.0, None, 3.0]},)

    async def predict(self, inputs, ctx):
        return {"y": [2 * x for x in inputs["x"] if x is not None]}


@hookimpl
def register_models():
    return [Bad()]
