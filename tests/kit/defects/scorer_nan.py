"""A value that is no number.

Found by: its answers are such as its kind allows.
"""

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50}, {"employees": 700})

    async def score(self, item, ctx):
        return Score(float("nan"), ("people count",))


@hookimpl
def register_scorers():
    return [Bad()]
