"""Threads whose time is over go away, with all they own; others stay."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from runtime.errors import NotFound
from runtime.journal.checkpoints import JournalSaver
from runtime.records import RunOptions, RunStatus, Thread
from runtime.runs import dispatch
from runtime.runs.sweeper import Sweeper

from .conftest import World


def sweeper(world: World, keep: float | None = None) -> Sweeper:
    engine = world.engine
    prune, forget = JournalSaver(engine.journal).aprune, engine.responses.sweep
    return Sweeper(engine.journal, engine.threads, prune, keep, forget)


async def expire(world: World, id: str, how: str) -> Thread:
    """Let a thread have expired a moment ago."""
    thread = await world.engine.threads.get("default", id)
    over = replace(thread, expires_at=time.time() - 1, expiry=how)  # type: ignore[arg-type]
    await world.engine.journal.update_thread(over)
    return over


async def test_a_thread_whose_time_is_over_goes_away(world: World) -> None:
    world.open_gate("a")
    for thread in ("gone", "stays"):
        await world.ended(await world.start("gate", thread, input={"file": "a"}))
    await expire(world, "gone", "delete")
    assert await sweeper(world).sweep() == 1
    with pytest.raises(NotFound):
        await world.engine.threads.get("default", "gone")
    assert await world.events("gone") == []
    assert (await world.engine.threads.state("default", "stays")).values["said"] == "after a 0"


async def test_a_thread_can_keep_its_newest_state_alone(world: World) -> None:
    world.open_gate("a")
    await world.ended(await world.start("gate", input={"file": "a"}))
    await expire(world, "t", "keep_latest")
    assert await sweeper(world).sweep() == 1
    saver = JournalSaver(world.engine.journal)
    left = [each async for each in saver.alist({"configurable": {"thread_id": "t"}})]
    assert len(left) == 1
    assert (await world.engine.threads.state("default", "t")).values["said"] == "after a 0"
    assert await sweeper(world).sweep() == 0


async def test_a_thread_that_a_run_works_on_or_waits_on_stays(world: World) -> None:
    running = await world.start("gate", "busy", input={"file": "a"})
    await world.ended(await world.start("approve", "waits", input={"topic": "piers"}))
    await expire(world, "busy", "delete")
    assert await sweeper(world, keep=0.0).sweep() == 0
    world.open_gate("a")
    assert (await world.ended(running)).status is RunStatus.SUCCESS


async def test_the_thread_of_a_stateless_run_goes_some_time_after_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "GRACE", 0.0)
    world.open_gate("a")
    options = RunOptions(ephemeral=True)
    run = await world.ended(await world.start("gate", None, input={"file": "a"}, options=options))
    assert await sweeper(world).sweep() == 1
    with pytest.raises(NotFound):
        await world.engine.threads.get("default", run.thread)
