"""Many are scored in another order than they came.

Found by: many are scored as each is alone.
"""

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50}, {"employees": 450})

    async def score(self, item, ctx):
        return Score(item["employees"] / 500, ("people count",))

    async def score_many(self, items, ctx):
        return sorted([await self.score(item, ctx) for item in items], key=lambda score: -score.value)


@hookimpl
def register_scorers():
    return [Bad()]
