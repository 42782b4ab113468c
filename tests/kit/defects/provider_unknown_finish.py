"""A finish that no client knows.

Found by: its answers are such as its kind allows; it takes a whole conversation.
"""

from hubbub import Delta, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        yield Delta(text="Hello")
        yield Delta(finish="end_turn")


@hookimpl
def register_providers():
    return [Bad()]
