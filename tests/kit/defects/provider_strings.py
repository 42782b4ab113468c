"""Text instead of pieces.

Found by: its answers are such as its kind allows; it takes a whole conversation.
"""

from hubbub import hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        yield "Hello"


@hookimpl
def register_providers():
    return [Bad()]
