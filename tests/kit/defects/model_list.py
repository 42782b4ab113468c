"""Outputs without names.

Found by: its answers are such as its kind allows.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"
    schema = {}
    examples = ({"x": [1.0, 3.0]},)

    async def predict(self, inputs, ctx):
        return [2 * x for x in inputs["x"]]


@hookimpl
def register_models():
    return [Bad()]
