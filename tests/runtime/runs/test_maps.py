"""What a run with a map tells, and what becomes of it when a person is asked or the hub stops."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
from contextlib import closing

import pytest

from hub.agent_tree import fold
from runtime.records import RunStatus
from runtime.runs.answers import Answer

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


async def test_items_that_were_done_before_a_restart_are_counted_once(triage: World) -> None:
    for limit, status in ((9, RunStatus.SUCCESS), (8, RunStatus.ERROR)):
        triage.write(
            triage=TRIAGE.replace(
                'output = ["said"]', f'output = ["said"]\nlimits = {{ max_steps = {limit} }}'
            )
        )
        await triage.restart()
        thread = f"t{limit}"
        run = await triage.ended(await triage.start("triage", thread, input={"tickets": ["a", "hard", "b"]}))
        await triage.restart()
        answer = Answer({run.waiting[0].id: "close"})
        assert (
            await triage.ended(await triage.engine.runs.respond("default", thread, answer))
        ).status is status


async def test_more_items_than_steps_are_refused_before_the_first_one(triage: World) -> None:
    triage.write(triage=TRIAGE.replace('output = ["said"]', 'output = ["said"]\nlimits = { max_steps = 2 }'))
    await triage.restart()
    run = await triage.ended(await triage.start("triage", input={"tickets": ["a", "b", "c"]}))
    assert run.error
    assert "has 3 items, and limits.max_steps allows 2 steps; raise it" in run.error["message"]
    assert triage.ledger == []


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


GATES = """
graph  = "gates"
start  = "each"
output = ["said"]

[input]
files = "list"

[state]
said = { type = "list", merge = "append" }

[node.each]
use          = "map"
over         = "files"
as           = "file"
do           = "before"
max_parallel = 2
next         = "end"

[node.before]
use  = "step.note"
text = "before {{ file }}"
next = "gate"

[node.gate]
use  = "step.gate"
file = "{{ file }}"
save = { said = "{{ result.said }}" }
next = "after"

[node.after]
use  = "step.note"
text = "after {{ file }}"
save = { said = "{{ result.said }}" }
"""


async def _passed(world: World) -> list[str]:
    """Return the files whose gate was passed, as the database says."""
    with closing(sqlite3.connect(world.folder / "var" / "hubbub.db")) as database:
        sql = "SELECT data FROM events WHERE method = 'updates' ORDER BY seq"
        told = [json.loads(data) for (data,) in database.execute(sql)]
    return sorted(each["values"]["said"][0] for each in told if each["node"] == "gate")


async def test_a_stop_lets_each_item_reach_a_boundary_and_the_next_process_does_the_rest(
    world: World,
) -> None:
    world.write(gates=GATES)
    await world.restart()
    run = await world.start("gates", input={"files": ["a", "b", "c", "d"]})
    async with asyncio.timeout(20):
        while len(await world.engine.journal.open_messages(run.id)) < 2:  # both are at their gates
            await asyncio.sleep(0.005)
    stopping = asyncio.create_task(world.engine.aclose(20.0))
    await asyncio.sleep(0)
    world.open_gate("a")
    await asyncio.sleep(0.1)  # a leaves first; b is not cut off by it
    world.open_gate("b")
    await stopping
    assert sorted(world.ledger) == ["before a", "before b"]
    assert await _passed(world) == ["a", "b"]
    for gate in "cd":
        world.open_gate(gate)
    await world.open()
    ended = await world.ended(run)
    assert ended.output == {
        "said": [said for name in "abcd" for said in (f"before {name}", name, f"after {name}")]
    }
    assert await _passed(world) == [*"abcd"]
    assert sorted(world.ledger) == sorted(f"{word} {name}" for word in ("before", "after") for name in "abcd")
    assert (ended.status, ended.attempt) == (RunStatus.SUCCESS, 1)
