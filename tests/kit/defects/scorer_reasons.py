"""One sentence where a list of them is meant.

Found by: its answers are such as its kind allows.
"""

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50}, {"employees": 700})

    async def score(self, item, ctx):
        return Score(0.5, "people count")


@hookimpl
def register_scorers():
    return [Bad()]
