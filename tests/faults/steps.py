"""Steps, a model and a tool with effects: each is a line in the workspace's ledger, appended at once."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hubbub import ChatRequest, Context, Delta, ToolCall, hookimpl

FOLDER = Path(__file__).parent.parent


class Text(BaseModel):
    """What the steps take: the word they say or write; a file that they wait for."""

    text: str
    gate: str = ""


async def _passed(gate: str) -> None:
    while gate and not (FOLDER / gate).exists():
        await asyncio.sleep(0.005)


def _record(text: str, ctx: Context) -> None:
    line = {"run": ctx.run, "text": text, "key": ctx.idempotency_key}
    ledger = os.open(FOLDER / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(ledger, (json.dumps(line) + "\n").encode())
    os.close(ledger)


class Effect:
    """Writes a line into the ledger, then waits for its gate."""

    name = "effect"
    Params = Text

    async def run(self, state: Any, params: Text, ctx: Context) -> dict[str, str]:
        """Do it."""
        _record(params.text, ctx)
        await _passed(params.gate)
        return {"said": params.text}


class Speak:
    """Streams forty words, the second half after its gate."""

    name = "speak"
    Params = Text

    async def run(self, state: Any, params: Text, ctx: Context) -> dict[str, str]:
        """Say them."""
        for number in range(40):
            if number == 20:
                await _passed(params.gate)
            ctx.emit(Delta(text=f"{params.text}{number} "))
            await asyncio.sleep(0.001)
        return {"said": params.text}


class Stumble:
    """Streams half a message and fails, once a run; then streams all of it."""

    name = "stumble"
    Params = Text

    async def run(self, state: Any, params: Text, ctx: Context) -> dict[str, str]:
        """Fail the first time."""
        ctx.emit(Delta(text=f"half {params.text} "))
        fallen = FOLDER / f"fallen-{ctx.run}"
        if not fallen.exists():
            fallen.touch()
            raise RuntimeError("stumbled")
        ctx.emit(Delta(text=f"whole {params.text}"))
        return {"said": params.text}


class Die:
    """Ends its own process, as memory run out or a bug in C would."""

    name = "die"
    Params = Text

    async def run(self, state: Any, params: Text, ctx: Context) -> dict[str, str]:
        """Die in the middle of a message."""
        ctx.emit(Delta(text="half"))
        await asyncio.sleep(0.05)
        _record(params.text, ctx)
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


class Clerk:
    """Asks for one line after the other, then says what it was told."""

    name = "clerk"

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Ask for the next line."""
        told = [str(each["content"]) for each in request.messages if each["role"] == "tool"]
        lines = str(request.messages[0]["content"]).splitlines()
        _record(f"asked {len(told)}", ctx)
        if len(told) == len(lines):
            yield Delta(text=" ".join(told))
            yield Delta(finish="stop")
            return
        arguments = json.dumps({"text": lines[len(told)]})
        yield Delta(tool_call=ToolCall(0, f"call{len(told)}", "effect", arguments))
        yield Delta(finish="tool_calls")


class Deed:
    """The tool `effect`: writes a line into the ledger, then waits for its gate."""

    name = "effect"
    description = "Does something outside."
    Args = Text

    async def run(self, args: Text, ctx: Context) -> str:
        """Do it."""
        _record(args.text, ctx)
        await _passed(args.text if args.text == "gate" else "")
        return f"did {args.text}"


@hookimpl
def register_steps() -> list[Any]:
    """Supply them."""
    return [Effect(), Speak(), Stumble(), Die()]


@hookimpl
def register_providers() -> list[Any]:
    """Supply the model."""
    return [Clerk()]


@hookimpl
def register_tools() -> list[Any]:
    """Supply the tool."""
    return [Deed()]
