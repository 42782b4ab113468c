"""A whole engine on a workspace of its own, which can be stopped and opened again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engine import Engine, open_engine
from runtime.records import Run
from runtime.runs.run import StartRun
from runtime.settings import Settings
from runtime.types import Event, JsonObject

PLUGIN = '''"""Steps that count, wait for a file, and speak."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from hubbub import Delta, hookimpl

LEDGER = Path(__file__).parent.parent / "ledger"


class Note:
    """Writes a line into the ledger each time it runs."""

    name = "note"

    class Params(BaseModel):
        text: str

    async def run(self, state, params, ctx):
        with LEDGER.open("a") as ledger:
            ledger.write(params.text + "\\n")
        return {"said": params.text}


class Gate:
    """Speaks a word, then waits until the file exists."""

    name = "gate"

    class Params(BaseModel):
        file: str

    async def run(self, state, params, ctx):
        ctx.emit(Delta(text="half "))
        while not (LEDGER.parent / params.file).exists():
            await asyncio.sleep(0.005)
        ctx.emit(Delta(text="whole"))
        return {"said": params.file}


@hookimpl
def register_steps():
    return [Note(), Gate()]
'''
APPROVE = """
graph  = "approve"
start  = "draft"
output = ["said", "decision"]

[input]
topic = "text"

[state]
said     = "text?"
decision = { type = "object?", fields = { choice = "text", note = "text" } }

[node.draft]
use  = "step.note"
text = "draft {{ topic }}"
next = "ask"

[node.ask]
use     = "approve"
show    = ["said"]
choices = { publish = "publish", change = "draft", reject = "end" }
save    = "decision"

[node.publish]
use  = "step.note"
text = "publish {{ decision.note }}"
next = "end"
"""
GATE = """
graph  = "gate"
start  = "before"
output = ["said"]

[input]
file = "text"

[state]
said     = "text?"
messages = { type = "list", merge = "messages" }

[node.before]
use  = "step.note"
text = "before {{ file }}"
next = "gate"

[node.gate]
use  = "step.gate"
file = "{{ file }}"
next = "after"

[node.after]
use  = "step.note"
text = "after {{ file }} {{ messages | size }}"
next = "end"
"""


class World:
    """The engine of a workspace, and what its runs have done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("graphs", "plugins"):
            (folder / name).mkdir()
        (folder / "plugins" / "steps.py").write_text(PLUGIN)
        self.write(approve=APPROVE, gate=GATE)

    engine: Engine

    def write(self, **graphs: str) -> None:
        """Write graph files."""
        for name, text in graphs.items():
            (self.folder / "graphs" / f"{name}.toml").write_text(text)

    async def open(self, **sections: Any) -> Engine:
        """Open the engine."""
        settings = Settings(workspace=self.folder, **sections)
        storage = settings.storage.model_copy(update={"path": self.folder / "var"})
        plugins = settings.plugins.model_copy(update={"folder": self.folder / "plugins"})
        inference = settings.inference.model_copy(update={"folder": self.folder / "models"})
        where = {"storage": storage, "plugins": plugins, "inference": inference}
        self.engine = await open_engine(settings.model_copy(update=where))
        return self.engine

    async def restart(self, drain: float = 0.0) -> Engine:
        """Stop it, and open it again."""
        await self.engine.aclose(drain)
        return await self.open()

    async def start(self, graph: str, thread: str | None = "t", **more: Any) -> Run:
        """Start a run."""
        return await self.engine.runs.start(StartRun("default", graph, thread=thread, **more))

    async def ended(self, run: Run) -> Run:
        """Return a run's record when it is no longer active."""
        async with asyncio.timeout(20):
            return await self.engine.runs.wait("default", run.id)

    async def events(self, thread: str = "t") -> list[Event]:
        """Return the durable events of a thread."""
        return list(await self.engine.journal.events(thread, after=0, limit=1000))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)

    @property
    def ledger(self) -> list[str]:
        """What the steps have written, line by line."""
        file = self.folder / "ledger"
        return file.read_text().splitlines() if file.exists() else []

    def open_gate(self, name: str) -> None:
        """Let the gate of that name go on."""
        (self.folder / name).touch()


def lifecycles(events: list[Event]) -> list[tuple[str, str]]:
    """Return what the lifecycle events say: the protocol's word and the status."""
    return [
        (event.data["event"], event.data["metadata"]["status"])
        for event in events
        if event.method == "lifecycle"
    ]


def asked(events: list[Event]) -> list[JsonObject]:
    """Return the questions of a thread."""
    return [event.data for event in events if event.method == "input.requested"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An open engine."""
    made = World(tmp_path)
    await made.open()
    yield made
    await made.engine.aclose()
