"""A cancelled stream goes on as if nothing had been.

Found by: a cancelled call ends.
"""

import asyncio

from hubbub import Delta, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            pass
        yield Delta(text="Hello", finish="stop")


@hookimpl
def register_providers():
    return [Bad()]
