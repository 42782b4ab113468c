"""A run may have settings of its own, within the bounds that its graph declares."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import InvalidInput

from .conftest import World

TUNED = """
graph  = "tuned"
start  = "way"
output = ["said"]

[input]
score = "number"

[settings]
hot  = { type = "number", value = 0.8, min = 0, max = 1 }
word = "warm"

[state]
said = "text"

[node.way]
use  = "branch"
when = [ { if = "score >= hot", go = "hot" }, { else = "cold" } ]

[node.hot]
use  = "set"
set  = { said = "{{ word }} {{ settings.hot }}" }
next = "end"

[node.cold]
use  = "set"
set  = { said = "cold" }
next = "end"
"""

OUTER = """
graph  = "outer"
start  = "inner"
output = ["said"]

[settings]
hot = 0.1

[state]
said = "text"

[node.inner]
use   = "graph"
graph = "tuned"
input = { score = 0.5 }
save  = ["said"]
next  = "end"
"""


@pytest.fixture
async def tuned(world: World) -> World:
    """An engine with a graph that has settings."""
    world.write(tuned=TUNED, outer=OUTER)
    await world.restart()
    return world


async def said(world: World, graph: str = "tuned", **config: Any) -> Any:
    input = {"score": 0.5} if graph == "tuned" else {}
    run = await world.ended(await world.start(graph, thread=None, input=input, config=config))
    assert run.output, run.error
    return run.output["said"]


async def test_a_run_goes_by_its_own_settings_and_the_next_one_by_those_of_the_file(tuned: World) -> None:
    assert await said(tuned) == "cold"
    assert await said(tuned, configurable={"hot": 0.4}) == "warm 0.4"
    assert await said(tuned, context={"hot": 0.4, "word": "hot"}) == "hot 0.4"
    assert await said(tuned) == "cold"


async def test_a_graph_inside_keeps_its_own_settings(tuned: World) -> None:
    assert await said(tuned, "outer", configurable={"hot": 0.2}) == "cold"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"configurable": {"hot": 2}}, "The setting hot is wrong"),
        ({"configurable": {"hot": "much"}}, "The setting hot is wrong"),
        ({"context": {"hott": 0.5}}, "The graph tuned has no setting hott; did you mean hot?"),
        ({"context": 5}, "`context` is an object"),
    ],
)
async def test_a_setting_out_of_its_bounds_is_refused_before_the_run(
    tuned: World, config: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await tuned.start("tuned", input={"score": 0.5}, config=config)
    assert told in str(refused.value)
    assert await tuned.events() == []


async def test_the_settings_are_described_to_clients(tuned: World) -> None:
    version: Any = await tuned.engine.graphs.get("tuned")
    assert version.config_schema["properties"]["hot"]["maximum"] == 1
    assert version.context_schema == version.config_schema
