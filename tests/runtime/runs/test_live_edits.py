"""Graphs are edited while their runs wait for people: what has begun ends as it began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import NotFound
from runtime.records import Run, RunsQuery, RunStatus
from runtime.runs.answers import Answer
from runtime.settings import GraphsSettings

from .conftest import APPROVE, World, asked

EDITED = APPROVE.replace("publish {{", "publish anew {{")
RENAMED = APPROVE.replace("[node.ask]", "[node.question]").replace('next = "ask"', 'next = "question"')


async def waiting(world: Any, thread: str = "t") -> Run:
    """Return a run that waits for an answer."""
    run = await world.ended(await world.start("approve", thread, input={"topic": "tea"}))
    assert run.status is RunStatus.INTERRUPTED
    return run  # type: ignore[no-any-return]


async def answered(world: Any, thread: str = "t") -> Run:
    """Return the run of a thread, ended, after its question was answered."""
    question = asked(await world.events(thread))[-1]["interrupt_id"]
    going_on = await world.engine.runs.respond("default", thread, Answer({question: "publish"}))
    return await world.ended(going_on)  # type: ignore[no-any-return]


def graph(world: Any, name: str = "approve") -> Path:
    """Return a graph's file."""
    return world.folder / "graphs" / f"{name}.toml"  # type: ignore[no-any-return]


async def live(world: Any, before: str) -> None:
    """Wait until new runs get another version than this one."""
    await world.until(lambda: world.engine.graphs.state("approve").version != before)


async def test_a_saved_file_is_live_for_new_runs_and_a_waiting_one_ends_as_it_began(world: Any) -> None:
    old = await waiting(world)
    graph(world).write_text(EDITED)
    await live(world, old.version)
    new = await waiting(world, "other")
    assert new.version != old.version
    await answered(world)
    await answered(world, "other")
    assert world.ledger[-2:] == ["publish ", "publish anew "]


@pytest.mark.parametrize("text", [EDITED, RENAMED, "graph = ", None], ids=["text", "step", "broken", "gone"])
async def test_a_waiting_run_ends_as_it_began_after_an_edit_and_a_restart(
    world: Any, text: str | None
) -> None:
    run = await waiting(world)
    if text is None:
        graph(world).rename(graph(world, "else"))
    else:
        graph(world).write_text(text)
    await world.restart()
    assert (await answered(world)).status is RunStatus.SUCCESS
    assert world.ledger == ["draft tea", "publish "]
    assert (await world.engine.runs.get("default", run.id)).version == run.version


async def test_a_bad_edit_changes_nothing_for_new_runs_and_health_says_so(world: Any) -> None:
    run = await waiting(world)
    graph(world).write_text("graph = ")
    await world.until(lambda: world.engine.graphs.state("approve").errors)
    assert (await world.engine.health())["graphs"].detail == "with mistakes: approve"
    assert (await waiting(world, "other")).version == run.version


async def test_an_answer_is_refused_aloud_when_the_version_cannot_be_had_any_more(world: Any) -> None:
    run = await waiting(world)
    plugin = world.folder / "plugins" / "steps.py"
    plugin.write_text(plugin.read_text().replace("text: str", "text: str\n        more: int = 0"))
    await world.restart()
    with pytest.raises(NotFound, match=f"version {run.version} of the graph approve, .* a plugin it uses"):
        await answered(world)
    assert (await world.engine.runs.waiting("default", "t")).id == run.id
    plugin.write_text(plugin.read_text().replace("\n        more: int = 0", ""))
    await world.restart()
    assert (await answered(world)).status is RunStatus.SUCCESS


async def test_a_canary_is_told_by_events_views_and_metrics_and_stays_on_its_threads(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    await world.open(graphs=GraphsSettings(publish="by-hand"))
    live = (await world.engine.graphs.publish("approve")).version
    graph(world).write_text(EDITED)
    canary = (await world.engine.graphs.publish("approve", 50)).canary
    began = {f"t{number}": (await waiting(world, f"t{number}")).version for number in range(8)}
    assert set(began.values()) == {live, canary}
    for thread, version in began.items():
        assert (await waiting(world, thread)).version == version
        told = [event.data for event in await world.events(thread) if event.method == "lifecycle"]
        assert all(data.get("canary", False) == (version == canary) for data in told)
    rows = await world.engine.views.runs(RunsQuery(limit=100))
    assert {(row["version"], row["canary"]) for row in rows} == {(live, False), (canary, True)}
    thread = next(name for name, version in began.items() if version == canary)
    await world.engine.graphs.rollback("approve")
    assert (await answered(world, thread)).version == canary
    assert world.ledger[-1] == "publish anew "
    counted = 'hubbub_canary_runs_finished_total{graph="approve",status="success"} 1.0'
    assert counted in world.engine.telemetry.render().decode()
    await world.engine.aclose()


async def test_a_question_inside_a_graph_is_answered_on_the_version_that_asked_it(world: Any) -> None:
    outer = """
graph  = "outer"
start  = "inner"
output = ["said"]

[state]
said = "text?"

[node.inner]
use   = "graph"
graph = "approve"
input = { topic = "tea" }
save  = ["said"]
next  = "end"
"""
    world.write(outer=outer)
    await world.restart()
    run = await world.ended(await world.start("outer"))
    assert run.status is RunStatus.INTERRUPTED
    graph(world).write_text(RENAMED.replace("publish {{", "publish anew {{"))
    await world.restart()
    assert (await world.engine.graphs.get("outer")).version != run.version
    done = await answered(world)
    assert (done.status, done.version) == (RunStatus.SUCCESS, run.version)
    assert world.ledger == ["draft tea", "publish "]


async def test_all_files_are_checked_again_when_a_plugin_was_edited(world: Any) -> None:
    await world.until(lambda: not world.engine.graphs.unread)
    plugin = world.folder / "plugins" / "steps.py"
    plugin.write_text(plugin.read_text().replace('name = "gate"', 'name = "door"'))
    await world.until(lambda: world.engine.graphs.state("gate").errors)
    assert "step.gate" in str(world.engine.graphs.state("gate").errors[0])
    await world.until(lambda: not world.engine.graphs.unread)
