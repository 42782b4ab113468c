"""The item is changed on the way.

Found by: what it is given stays as it was.
"""

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50}, {"employees": 700})

    async def score(self, item, ctx):
        item["employees"] = min(500, item["employees"])
        item["seen"] = True
        return Score(item["employees"] / 500, ("people count",))


@hookimpl
def register_scorers():
    return [Bad()]
