"""More tokens cached than there can be: a negative count.

Found by: its answers are such as its kind allows; it takes a whole conversation.
"""

from hubbub import Delta, Usage, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        yield Delta(text="Hello", usage=Usage(-1, 3), finish="stop")


@hookimpl
def register_providers():
    return [Bad()]
