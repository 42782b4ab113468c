"""Pieces that come after the finish.

Found by: its answers are such as its kind allows; it takes a whole conversation.
"""

from hubbub import Delta, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        yield Delta(text="Hello", finish="stop")
        yield Delta(text=" again")


@hookimpl
def register_providers():
    return [Bad()]
