"""A graph as a step of another one: what it tells, waits for and undoes, and the version that it keeps."""

from __future__ import annotations

import pytest

from hub.agent_tree import fold
from runtime.records import RunStatus
from runtime.runs.answers import Answer
from runtime.runs.state import Place

from .conftest import APPROVE, World, asked
from .test_sagas import ONBOARD, PLUGIN

OUTER = """
graph  = "outer"
start  = "inner"
output = ["told", "choice"]

[input]
subject = "text"

[state]
told   = "text?"
choice = "any?"

[node.inner]
use   = "graph"
graph = "approve"
input = { topic = "{{ subject }}s" }
save  = { told = "{{ result.said }}", choice = "{{ result.decision.choice }}" }
next  = "end"
"""

FAILING = """
graph  = "failing"
start  = "hire"
output = ["desk"]

[state]
desk = "object?"

[node.hire]
use   = "graph"
graph = "onboard"
input = { name = "ann" }
save  = ["desk"]
next  = "sorry"

[node.sorry]
use     = "fail"
message = "The contract was not signed."
"""

EACH = """
graph  = "each"
start  = "all"
output = ["said"]

[input]
topics = "list"

[state]
said = { type = "list", merge = "append" }

[node.all]
use  = "map"
over = "topics"
as   = "topic"
do   = "one"
next = "end"

[node.one]
use   = "graph"
graph = "simple"
input = { topic = "{{ topic }}" }
save  = { said = "{{ result.said }}" }
"""

SIMPLE = """
graph  = "simple"
start  = "note"
output = ["said"]

[input]
topic = "text"

[state]
said = "text"

[node.note]
use  = "step.note"
text = "{{ topic }}"
save = ["said"]
next = "end"
"""


@pytest.fixture
async def inner(world: World) -> World:
    """An engine with graphs that run others."""
    (world.folder / "plugins" / "acts.py").write_text(PLUGIN)
    world.write(outer=OUTER, onboard=ONBOARD, failing=FAILING, each=EACH, simple=SIMPLE)
    await world.restart()
    return world


async def test_what_waits_inside_is_answered_over_a_restart_and_its_output_is_the_steps_result(
    inner: World,
) -> None:
    run = await inner.ended(await inner.start("outer", input={"subject": "pier"}))
    assert run.status is RunStatus.INTERRUPTED
    (question,) = asked(await inner.events())
    assert question["value"]["show"] == {"said": "draft piers"}
    await inner.restart()
    answer = Answer({question["interrupt_id"]: "publish"})
    ended = await inner.ended(await inner.engine.runs.respond("default", "t", answer))
    assert ended.output == {"told": "publish ", "choice": "publish"}
    assert inner.ledger == ["draft piers", "publish "]


async def test_its_events_have_a_namespace_and_the_tree_of_graphs_shows_it(inner: World) -> None:
    run = await inner.ended(await inner.start("outer", input={"subject": "pier"}))
    events = await inner.events()
    (draft,) = [event for event in events if event.method == "updates"]
    assert (draft.data["node"], draft.data["values"]) == ("draft", {"said": "draft piers"})
    assert [segment.partition(":")[0] for segment in draft.namespace] == ["inner"]
    (asking,) = [event for event in events if event.method == "input.requested"]
    assert asking.namespace == draft.namespace
    tree = fold(run, [event for event in events if event.method == "lifecycle"])
    assert [(node.graph_name, node.namespace, node.status) for node in tree.children.values()] == [
        ("approve", draft.namespace, "interrupted")
    ]


async def test_its_state_is_read_where_it_runs(inner: World) -> None:
    await inner.ended(await inner.start("outer", input={"subject": "pier"}))
    state = await inner.engine.threads.state("default", "t", subgraphs=True)
    (task,) = state.tasks
    assert task.state
    assert (task.state.values["said"], task.state.next) == ("draft piers", ("ask",))
    assert task.inside
    read = await inner.engine.threads.state("default", "t", Place(namespace=task.inside))
    assert read.values["topic"] == "piers"


async def test_what_it_did_is_undone_when_the_graph_around_it_fails(inner: World) -> None:
    run = await inner.ended(await inner.start("failing", input={}))
    assert run.error
    assert (run.error["message"], run.error["code"]) == ("The contract was not signed.", "failed")
    assert inner.ledger[3:] == ["refund ann", "free desk", "close ann of ann"]


async def test_a_map_may_run_a_graph_for_each_item(inner: World) -> None:
    run = await inner.ended(await inner.start("each", input={"topics": ["a", "b", "c"]}))
    assert run.output == {"said": ["a", "b", "c"]}


async def test_a_run_that_waits_keeps_the_graph_inside_as_it_was(inner: World) -> None:
    run = await inner.ended(await inner.start("outer", input={"subject": "pier"}))
    inner.write(approve=APPROVE.replace('text = "publish', 'text = "PUBLISH'))
    await inner.restart()
    (question,) = run.waiting
    answer = Answer({question.id: "publish"})
    ended = await inner.ended(await inner.engine.runs.respond("default", "t", answer))
    assert ended.output == {"told": "publish ", "choice": "publish"}
    again = await inner.ended(await inner.start("outer", thread="u", input={"subject": "pier"}))
    assert again.version != run.version
