"""Each search leaves a task behind.

Found by: its calls leave nothing running.
"""

import asyncio

from hubbub import Hit, hookimpl


class Bad:
    name = "bad"

    async def search(self, query, k, ctx):
        self.task = asyncio.create_task(asyncio.sleep(3600))
        return [Hit("1", "text", 1.0)]


@hookimpl
def register_retrievers():
    return [Bad()]
