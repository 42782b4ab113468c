"""Bigger companies are better leads."""

import asyncio

from hubbub import Health, Score, hookimpl


class Fit:
    """Scores by the number of people; it is started and closed as others are."""

    name = "fit"
    examples = ({"employees": 50}, {"employees": 700})

    async def start(self):
        self.beat = asyncio.create_task(asyncio.sleep(3600))

    async def aclose(self):
        self.beat.cancel()

    def check(self):
        return Health(True)

    async def score(self, item, ctx):
        await asyncio.sleep(0.001)
        people = item["employees"]
        return Score(
            min(1.0, people / 500), (f"{people} people", {"text": "size counts"}), {"people": people}
        )

    async def score_many(self, items, ctx):
        return [await self.score(item, ctx) for item in items]


@hookimpl
def register_scorers():
    return [Fit()]
