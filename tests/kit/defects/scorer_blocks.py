"""A scorer that sleeps without letting others work.

Found by: its calls do not hold up the event loop.
"""

import time

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50},)

    async def score(self, item, ctx):
        time.sleep(0.7)
        return Score(0.5, ("people count",))


@hookimpl
def register_scorers():
    return [Bad()]
