"""What start begins, aclose does not end.

Found by: it starts and closes; its calls leave nothing running.
"""

import asyncio

from hubbub import Score, hookimpl


class Bad:
    name = "bad"
    examples = ({"employees": 50},)

    async def start(self):
        self.beat = asyncio.create_task(asyncio.sleep(3600))

    async def aclose(self):
        self.beat = None

    async def score(self, item, ctx):
        return Score(0.5, ("people count",))


@hookimpl
def register_scorers():
    return [Bad()]
