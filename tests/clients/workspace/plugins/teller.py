"""A provider that says what it is told, word by word, and a step that lets it go on where it waits.

Some words do something: `[gate:NAME]` waits until the gate is opened, `[fail]` breaks the answer off,
`[call:TOOL]` asks for a tool with the arguments {"place": "pier"}, in two pieces.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import BaseModel

from hubbub import ChatRequest, Context, Delta, ModelError, ToolCall, Usage, hookimpl

gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


class Teller:
    """`teller:any` says the last message."""

    name = "teller"

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the words one by one."""
        words = str(request.messages[-1]["content"]).split()
        for word in words:
            kind, _, name = word.strip("[]").partition(":")
            match kind if word.startswith("[") else "":
                case "gate":
                    await gates[name].wait()
                case "fail":
                    raise ModelError("The teller has lost its voice; ask another one.")
                case "call":
                    yield Delta(tool_call=ToolCall(0, "call-1", name, '{"place":'))
                    yield Delta(tool_call=ToolCall(0, "", "", ' "pier"}'))
                case _:
                    yield Delta(text=f"{word} ")
        yield Delta(usage=Usage(input_tokens=1, output_tokens=len(words)), finish="stop")


class Open:
    """Opens a gate for good."""

    name = "open"

    class Params(BaseModel):
        """Which one."""

        gate: str

    async def run(self, state: Mapping[str, Any], params: Params, ctx: Context) -> str:
        """Return its name."""
        gates[params.gate].set()
        return params.gate


@hookimpl
def register_providers() -> list[Teller]:
    """Supply the provider."""
    return [Teller()]


@hookimpl
def register_steps() -> list[Open]:
    """Supply the step."""
    return [Open()]
