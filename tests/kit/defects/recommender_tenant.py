"""The last caller's tenant decides for everybody.

Found by: calls at once do not mix.
"""

import asyncio

from hubbub import Item, hookimpl


class Bad:
    name = "bad"

    async def recommend(self, user, k, ctx):
        self.tenant = ctx.tenant
        await asyncio.sleep(0.01)
        return [Item(f"{self.tenant}-tea", 1.0, ("it is there",))]


@hookimpl
def register_recommenders():
    return [Bad()]
