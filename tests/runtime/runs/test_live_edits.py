"""Graphs are edited while their runs wait for people: what has begun ends as it began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import NotFound
from runtime.runs.answers import Answer
from runtime.types import Run, RunStatus

from .conftest import APPROVE, asked

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
