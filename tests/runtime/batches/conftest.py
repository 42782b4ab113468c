"""An engine with a graph that says what it is told, fails or costs what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from runtime.batches.batch import Batch, NewBatch, NewRow
from runtime.settings import ModelAlias, ModelCandidate, PluginBreaker, PluginHost, PluginsSettings
from tests.runtime.runs.conftest import World

COUNT = """
graph  = "count"
start  = "say"
output = ["said"]

[input]
word   = "text"
number = "number?"

[state]
said = "text?"

[node.say]
use  = "step.note"
text = "{{ word }}"
next = "end"
"""
FAIL = '''"""A step that fails for the word bad, and costs what it is told."""

from pathlib import Path

from pydantic import BaseModel

from hubbub import Delta, Usage, hookimpl

HERE = Path(__file__).parent.parent


class Judge:
    """Takes note of a word, and fails for the word bad until all is mended."""

    name = "judge"

    class Params(BaseModel):
        text: str

    async def run(self, state, params, ctx):
        with (HERE / "paid").open("a") as paid:
            paid.write(params.text + "\\n")
        if params.text == "bad" and not (HERE / "mended").exists():
            raise ValueError("bad is bad")
        return {"said": state["told"] + " " + params.text}


class Teller:
    """A model that costs 0.1 USD a call."""

    name = "teller"

    async def stream(self, request, ctx):
        yield Delta(text="told")
        yield Delta(usage=Usage(input_tokens=1, output_tokens=1, cost_usd=0.1), finish="stop")


@hookimpl
def register_steps():
    return [Judge()]


@hookimpl
def register_providers():
    return [Teller()]
'''
PAY = """
graph  = "pay"
start  = "tell"
output = ["said"]

[input]
word = "text"

[state]
told = "text?"
said = "text?"

[node.tell]
use    = "llm"
model  = "teller"
prompt = "{{ word }}"
save   = "told"
next   = "judge"

[node.judge]
use  = "step.judge"
text = "{{ word }}"
next = "end"
"""
MODELS = {"teller": ModelAlias(use=(ModelCandidate(model="teller:plain"),), coalesce=False)}


class Table:
    """Batches of one tenant in a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def open(self, **sections: Any) -> None:
        """Open the engine; the watch of slow plugins is not what these tests are about."""
        short = PluginHost(breaker=PluginBreaker(rest=0.001))
        plugins = PluginsSettings(hosts={"steps": short, "pay": short})
        await self.world.open(models=MODELS, plugins=plugins, **sections)

    async def restart(self, **sections: Any) -> None:
        """Stop it, and open it again."""
        await self.world.engine.aclose()
        await self.open(**sections)

    async def begin(self, graph: str, inputs: list[Any], **more: Any) -> Batch:
        """Make a batch and begin with it."""
        batches = self.world.engine.batches
        made = await batches.create(NewBatch("default", graph, **more))
        await batches.add("default", made.id, 1, [NewRow(each) for each in inputs])
        return await batches.resume("default", made.id)

    async def over(self, batch: Batch) -> Batch:
        """Return the record of a batch that nobody works on any more."""
        async with asyncio.timeout(30):
            async for _ in self.world.engine.batches.follow("default", batch.id):
                pass
            # The last row has ended a moment before its batch.
            while (found := await self.get(batch)).status == "running":
                await asyncio.sleep(0.005)
        return found

    async def get(self, batch: Batch) -> Batch:
        """Return its record."""
        return await self.world.engine.batches.get("default", batch.id)

    async def results(self, batch: Batch, after: int = 0) -> list[tuple[int, str, Any]]:
        """Return number, status and result of every row that has ended."""
        return [
            (row.number, row.status.value, orjson.loads(row.result))
            async for page in self.world.engine.batches.results("default", batch.id, after)
            for row in page
        ]


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[Table]:
    """An open engine with the graphs of this folder."""
    world = World(tmp_path)
    (tmp_path / "plugins" / "pay.py").write_text(FAIL)
    world.write(count=COUNT, pay=PAY)
    table = Table(world)
    await table.open()
    yield table
    await world.engine.aclose()
