"""Content blocks are taken for text.

Found by: it takes a whole conversation.
"""

from hubbub import Delta, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        yield Delta(text=request.messages[-1]["content"].upper(), finish="stop")


@hookimpl
def register_providers():
    return [Bad()]
