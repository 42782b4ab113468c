"""A task goes on when the reader leaves.

Found by: a reader may leave early.
"""

import asyncio

from hubbub import Delta, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        pieces = asyncio.Queue()
        read = asyncio.create_task(self.read(pieces, asyncio.Event()))
        yield await pieces.get()
        read.cancel()
        yield Delta(finish="stop")

    async def read(self, pieces, never):
        pieces.put_nowait(Delta(text="Hello"))
        await never.wait()


@hookimpl
def register_providers():
    return [Bad()]
