"""A check that says no more than yes.

Found by: its check gives a health.
"""

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50},)

    async def check(self):
        return True

    async def score(self, item, ctx):
        return Score(0.5, ("people count",))


@hookimpl
def register_scorers():
    return [Bad()]
