"""A tool call whose arguments break off.

Found by: its answers are such as its kind allows; it takes a whole conversation.
"""

from hubbub import Delta, ToolCall, hookimpl


class Bad:
    name = "bad"

    async def stream(self, request, ctx):
        yield Delta(tool_call=ToolCall(0, "1", "add", '{"a": '))
        yield Delta(finish="tool_calls")


@hookimpl
def register_providers():
    return [Bad()]
