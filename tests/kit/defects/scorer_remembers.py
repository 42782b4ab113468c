"""The best item so far decides what the next one is worth.

Found by: an earlier call changes nothing.
"""

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50}, {"employees": 700})
    best = 0

    async def score(self, item, ctx):
        self.best = max(self.best, item["employees"])
        return Score(item["employees"] / self.best, ("compared with the best",))


@hookimpl
def register_scorers():
    return [Bad()]
