"""What a run with a map tells, and what becomes of it when a person is asked or the hub stops."""

from __future__ import annotations

import asyncio
import math

import pytest

from hub.agent_tree import fold
from runtime.runs.answers import Answer
from runtime.types import RunStatus

from .conftest import World, asked, lifecycles

TRIAGE = """
graph  = "triage"
start  = "each"
output = ["said"]

[input]
tickets = "list"

[state]
said = { type = "list", merge = "append" }

[node.each]
use  = "map"
over = "tickets"
as   = "ticket"
do   = "read"
next = "end"

[node.read]
use  = "step.note"
text = "read {{ ticket }}"
save = { said = "{{ result.said }}" }
next = "kind"

[node.kind]
use  = "branch"
when = [ { if = "ticket == 'hard'", go = "ask" }, { else = "end" } ]

[node.ask]
use     = "approve"
show    = ["ticket"]
choices = { close = "close", leave = "end" }

[node.close]
use = "set"
set = { said = "closed {{ ticket }}" }
"""


@pytest.fixture
async def triage(world: World) -> World:
    """An engine with a graph that reads tickets."""
    world.write(triage=TRIAGE)
    await world.restart()
    return world


async def test_each_item_is_a_graph_inside_the_run(triage: World) -> None:
    run = await triage.ended(await triage.start("triage", input={"tickets": ["a", "b"]}))
    assert run.output == {"said": ["read a", "read b"]}
    events = await triage.events()
    updates = [
        (event.data["node"], len(event.namespace), event.data["values"])
        for event in events
        if event.method == "updates" and event.data["node"] != "kind"
    ]
    assert sorted(updates[:-1], key=str) == [
        ("read", 2, {"said": ["read a"]}),
        ("read", 2, {"said": ["read b"]}),
    ]
    assert updates[-1] == ("each", 0, {"said": ["read a", "read b"]})
    told = [event for event in events if event.method == "lifecycle"]
    inside = [node for node in fold(run, told).flat() if len(node["namespace"]) == 2]
    assert [(node["namespace"][-1].partition(":")[0], node["status"]) for node in inside] == [
        ("read", "completed"),
        ("read", "completed"),
    ]


async def test_items_that_wait_for_the_same_moment_go_on_together(
    triage: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.graphs.waiting.SHORT", -math.inf)  # a stop, however short
    pause = '\nnext = "pause"\n\n[node.pause]\nuse = "wait"\nuntil = "2000-01-01"\n'
    text = TRIAGE.partition('next = "kind"')[0] + pause
    triage.write(triage=text)
    await triage.restart()
    run = await triage.ended(await triage.start("triage", input={"tickets": ["a", "b", "c"]}))
    assert len(run.waiting) == 3
    async with asyncio.timeout(20):
        while (await triage.engine.runs.get("default", run.id)).status is not RunStatus.SUCCESS:
            await asyncio.sleep(0.005)
    events = [event for event in await triage.events() if not event.namespace]
    assert [word for word, _ in lifecycles(events)] == [
        *("started", "running", "interrupted", "running", "completed")
    ]


async def test_an_item_waits_for_its_answer_over_a_restart_and_the_others_are_done_once(
    triage: World,
) -> None:
    run = await triage.ended(await triage.start("triage", input={"tickets": ["a", "hard", "b"]}))
    assert run.status is RunStatus.INTERRUPTED
    (question,) = asked(await triage.events())
    assert question["value"]["show"] == {"ticket": "hard"}
    await triage.restart()
    answer = Answer({question["interrupt_id"]: "close"})
    ended = await triage.ended(await triage.engine.runs.respond("default", "t", answer))
    assert ended.output == {"said": ["read a", "read hard", "closed hard", "read b"]}
    assert sorted(triage.ledger) == ["read a", "read b", "read hard"]
