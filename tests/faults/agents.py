"""A model that calls the tool `effect` for each line of its prompt, and that tool, which leaves its mark."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import BaseModel

from hubbub import ChatRequest, Context, Delta, Provider, Tool, ToolCall, hookimpl

FOLDER = Path(__file__).parent.parent


def _record(text: str, ctx: Context) -> None:
    line = {"run": ctx.run, "text": text, "key": ctx.idempotency_key}
    ledger = os.open(FOLDER / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(ledger, (json.dumps(line) + "\n").encode())
    os.close(ledger)


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


class Line(BaseModel):
    """What is done; the word `gate` waits for that file."""

    text: str


class Effect:
    """Writes a line into the ledger."""

    name = "effect"
    description = "Does something outside."
    Args = Line

    async def run(self, args: Line, ctx: Context) -> str:
        """Do it."""
        _record(args.text, ctx)
        while args.text == "gate" and not (FOLDER / "gate").exists():
            await asyncio.sleep(0.005)
        return f"did {args.text}"


@hookimpl
def register_providers() -> list[Provider]:
    """Supply the model."""
    return [Clerk()]


@hookimpl
def register_tools() -> list[Tool]:
    """Supply the tool."""
    return [Effect()]
