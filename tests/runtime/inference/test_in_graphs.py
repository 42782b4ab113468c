"""Graphs ask trained models: one they name, or one that a run names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.records import RunStatus
from tests.runtime.inference.making import linear, put
from tests.runtime.runs.conftest import World

ROOT = Path(__file__).parents[3]
NAMED = """
graph  = "named"
about  = "Asks one model"
start  = "ask"
output = ["found"]
[input]
rows = "list"
[state]
found = "object"
[node.ask]
use    = "model.sums"
inputs = { x = "{{ rows }}" }
save   = "found"
next   = "end"
"""
APART = """
from hubbub import Score, hookimpl

class Twice:
    name = "twice"
    async def score(self, item, ctx):
        found = await ctx.predict("sums", {"x": [item["row"]]}, "1")
        return Score(1.0, (), {"sum": float(found["y"][0][0])})

@hookimpl
def register_scorers(): return [Twice()]
"""
SCORED = """
graph  = "scored"
about  = "Asks a scorer in a process of its own"
start  = "ask"
output = ["sum"]
[state]
sum = "number?"
[node.ask]
use  = "scorer.twice"
row  = [1, 2, 3, 4]
save = ["sum"]
next = "end"
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An engine with a model in two versions."""
    made = World(tmp_path)
    for version in (1, 2):
        put(tmp_path / "models", "sums", version, linear(version))
    made.write(named=NAMED, predict=(ROOT / "graphs" / "predict.toml").read_text())
    yield made
    await made.engine.aclose()


async def answer(world: World, graph: str, **input: Any) -> Any:
    """Run a graph to its end."""
    return await world.ended(await world.start(graph, thread=None, input=input))


async def test_a_graph_that_names_a_model_gets_its_outputs(world: World) -> None:
    await world.open()
    run = await answer(world, "named", rows=[[1, 2, 3, 4], [0, 0, 0, 1]])
    assert (run.status, run.output) == (RunStatus.SUCCESS, {"found": {"y": [[20.0, 20.0], [2.0, 2.0]]}})
    run = await answer(world, "named", rows=[[1, 2, 3]])
    assert run.status is RunStatus.ERROR
    assert "was sent with the shape [1, 3]; send one that fits" in (run.error or {})["message"]


async def test_the_graph_predict_asks_the_model_that_the_run_names(world: World) -> None:
    await world.open()
    rows = {"x": [[1, 1, 1, 1]]}
    run = await answer(world, "predict", model="sums", inputs=rows)
    assert run.output == {"outputs": {"y": [[8.0, 8.0]]}}
    run = await answer(world, "predict", model="sums", version="1", inputs=rows)
    assert run.output == {"outputs": {"y": [[4.0, 4.0]]}}
    run = await answer(world, "predict", model="sum", inputs=rows)
    assert run.status is RunStatus.ERROR
    assert "There is no model sum; did you mean sums?" in (run.error or {})["message"]


async def test_a_plugin_in_a_process_of_its_own_may_ask_a_model(world: World) -> None:
    (world.folder / "plugins" / "twice.py").write_text(APART)
    world.write(scored=SCORED)
    host = {"twice": {"run": "process"}}
    await world.open(plugins={"hosts": host})
    run = await answer(world, "scored")
    assert run.output == {"sum": 10.0}
