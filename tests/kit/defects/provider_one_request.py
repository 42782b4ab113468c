"""The request is kept in the provider, where the next one finds it.

Found by: calls at once do not mix.
"""

import asyncio

from hubbub import Delta, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        self.request = request
        await asyncio.sleep(0.01)
        yield Delta(text=str(self.request.messages[-1]["content"]), finish="stop")


@hookimpl
def register_providers():
    return [Bad()]
