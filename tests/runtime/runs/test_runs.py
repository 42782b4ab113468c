"""Runs that meet on a thread, wait for their time, are spoken to, and outlive their process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from runtime.errors import Conflict, InvalidInput, NoSuchCheckpoint, NotFound, StorageError
from runtime.journal.checkpoints import JournalSaver
from runtime.records import RunOptions, RunStatus
from runtime.runs.answers import Answer

from .conftest import World, lifecycles


async def at_the_gate(world: World, name: str) -> None:
    await world.until(lambda: f"before {name}" in world.ledger)


async def test_runs_of_a_thread_take_turns(world: World) -> None:
    first = await world.start("gate", input={"file": "a"})
    second = await world.start("gate", input={"file": "b"})
    await at_the_gate(world, "a")
    world.open_gate("b")
    world.open_gate("a")
    assert (await world.ended(first)).status is RunStatus.SUCCESS
    assert (await world.ended(second)).status is RunStatus.SUCCESS
    assert world.ledger == ["before a", "after a 0", "before b", "after b 0"]


async def test_a_busy_thread_can_be_refused(world: World) -> None:
    first = await world.start("gate", input={"file": "a"})
    with pytest.raises(Conflict, match="has an active run"):
        await world.start("gate", input={"file": "b"}, options=RunOptions(multitask="reject"))
    world.open_gate("a")
    await world.ended(first)
    assert len(await world.engine.runs.list("default", "t")) == 1


async def test_a_run_that_could_not_be_written_has_done_and_told_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins while it is on its way to the disk, and the disk may refuse it."""
    await world.engine.threads.create("default", "t")

    async def refuse(*args: Any, **more: Any) -> None:
        await asyncio.sleep(0.1)
        raise StorageError("The disk is gone; mend it.")

    with monkeypatch.context() as patched:
        patched.setattr(world.engine.journal, "accept", refuse)
        with pytest.raises(StorageError):
            await world.start("gate", input={"file": "a"})
    world.open_gate("a")
    run = await world.ended(await world.start("gate", input={"file": "a"}))
    assert run.status is RunStatus.SUCCESS
    assert world.ledger == ["before a", "after a 0"]
    assert {event.run for event in await world.events()} == {run.id}
    assert not world.engine.runs.active("default", (RunStatus.RUNNING,))


async def test_each_checkpoint_is_told_right_after_its_values(world: World) -> None:
    world.open_gate("a")
    run = await world.ended(await world.start("gate", input={"file": "a"}))
    opened = await world.engine.threads.channel("default", "t")
    told = (await opened.read(0)).events
    after = [told[index + 1].method for index, each in enumerate(told) if each.method == "values"]
    assert after == ["checkpoints"] * len(after) != []
    states = await world.engine.threads.history("default", "t")
    ids = [each.data["id"] for each in told if each.method == "checkpoints"]
    assert ids == [state.place.checkpoint for state in reversed(states)]
    assert run.status is RunStatus.SUCCESS


async def test_a_checkpoint_from_which_a_run_goes_on_is_told_once(world: World) -> None:
    run = await world.ended(await world.start("approve", input={"topic": "piers"}))
    await world.engine.runs.respond("default", "t", Answer({run.waiting[0].id: "reject"}))
    await world.engine.runs.wait("default", run.id)
    told = [each.data["id"] for each in await world.events() if each.method == "checkpoints"]
    assert len(told) == len(set(told)) == len(await world.engine.threads.history("default", "t"))


async def test_interrupt_stops_the_others_and_keeps_what_they_did(world: World) -> None:
    first = await world.start("gate", input={"file": "a"})
    queued = await world.start("gate", input={"file": "queued"})
    await at_the_gate(world, "a")
    world.open_gate("b")
    last = await world.start("gate", input={"file": "b"}, options=RunOptions(multitask="interrupt"))
    assert (await world.ended(last)).status is RunStatus.SUCCESS
    assert (await world.ended(first)).status is RunStatus.CANCELLED
    assert (await world.ended(queued)).status is RunStatus.CANCELLED
    assert world.ledger == ["before a", "before b", "after b 0"]


async def test_a_stop_ends_the_half_message(world: World) -> None:
    first = await world.start("gate", input={"file": "a"})
    while not await world.engine.journal.open_messages(first.id):
        await asyncio.sleep(0.005)
    await world.engine.runs.cancel("default", first.id)
    broken = [event.data for event in await world.events() if event.method == "messages"]
    assert [(each["event"], each["code"]) for each in broken] == [("error", "incomplete")]


async def test_a_run_can_wait_for_its_time_over_a_restart(world: World) -> None:
    world.open_gate("a")
    world.open_gate("b")
    at = time.time() + 0.3
    late = await world.start("gate", input={"file": "a"}, options=RunOptions(start_at=at))
    soon = await world.start("gate", input={"file": "b"})
    assert (await world.ended(soon)).status is RunStatus.SUCCESS
    await world.restart()
    assert (await world.ended(late)).status is RunStatus.SUCCESS
    assert time.time() >= at
    assert world.ledger == ["before b", "after b 0", "before a", "after a 0"]


async def test_a_message_sent_into_a_run_is_in_its_state_at_the_next_step(world: World) -> None:
    run = await world.start("gate", input={"file": "a"})
    await at_the_gate(world, "a")
    for text in ("faster", "stop"):
        await world.engine.runs.inject("default", run.id, {"role": "user", "content": text})
    world.open_gate("a")
    assert (await world.ended(run)).status is RunStatus.SUCCESS
    assert world.ledger == ["before a", "after a 2"]
    state = await world.engine.threads.state("default", "t")
    assert [message["content"] for message in state.values["messages"]] == ["faster", "stop"]


async def test_what_was_sent_into_a_run_outlives_its_process(world: World) -> None:
    run = await world.start("gate", input={"file": "a"})
    await at_the_gate(world, "a")
    await world.engine.runs.inject("default", run.id, {"role": "user", "content": "wait"})
    await world.restart()
    world.open_gate("a")
    assert (await world.ended(run)).status is RunStatus.SUCCESS
    assert world.ledger == ["before a", "after a 1"]


async def test_nothing_is_sent_into_a_run_that_cannot_take_it(world: World) -> None:
    message = {"role": "user", "content": "hello"}
    waiting = await world.ended(await world.start("approve", "other", input={"topic": "piers"}))
    with pytest.raises(InvalidInput, match="keeps no messages"):
        await world.engine.runs.inject("default", waiting.id, message)
    world.open_gate("a")
    run = await world.ended(await world.start("gate", input={"file": "a"}))
    with pytest.raises(Conflict, match="not active"):
        await world.engine.runs.inject("default", run.id, message)


async def test_a_stop_at_a_boundary_costs_a_run_neither_steps_nor_tries(world: World) -> None:
    run = await world.start("gate", input={"file": "a"})
    await at_the_gate(world, "a")
    for _ in range(4):  # more often than [runs] attempts
        while not await world.engine.journal.open_messages(run.id):
            await asyncio.sleep(0.005)
        await world.restart()
    world.open_gate("a")
    ended = await world.ended(run)
    assert (ended.status, ended.attempt) == (RunStatus.SUCCESS, 1)
    assert world.ledger == ["before a", "after a 0"]
    halves = [event.data["code"] for event in await world.events() if event.data.get("event") == "error"]
    assert halves == ["restarted"] * 4
    assert lifecycles(await world.events())[-1] == ("completed", "success")


async def test_a_drain_waits_for_the_step_and_leaves_the_next_to_another_process(world: World) -> None:
    run = await world.start("gate", input={"file": "a"})
    await at_the_gate(world, "a")
    world.open_gate("a")
    await world.engine.aclose(drain=20)
    assert world.ledger == ["before a"]
    await world.open()
    assert (await world.ended(run)).status is RunStatus.SUCCESS
    assert world.ledger == ["before a", "after a 0"]


async def test_the_same_key_is_the_same_run_also_when_it_answered(world: World) -> None:
    await world.ended(await world.start("approve", input={"topic": "piers"}))
    resume = RunOptions(command={"resume": "publish"})
    first = await world.start("approve", idempotency_key="k", options=resume)
    again = await world.start("approve", idempotency_key="k", options=resume)
    assert again.id == first.id
    await world.ended(first)
    assert world.ledger == ["draft piers", "publish "]


async def test_of_many_requests_with_one_key_at_once_one_makes_a_run(world: World) -> None:
    asked = [world.start("approve", input={"topic": "a"}, idempotency_key="k") for _ in range(5)]
    runs = await asyncio.gather(*asked)
    assert len({run.id for run in runs}) == 1
    assert len(await world.engine.runs.list("default", "t")) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"input": {"topic": "b"}},
        {"metadata": {"a": 1}},
        {"config": {"tags": ["a"]}},
        {"options": RunOptions(webhook="https://example.com/")},
        {"thread": "another"},
        {"graph": "gate", "input": {"file": "a"}},
    ],
)
async def test_a_key_is_not_used_for_anything_else(world: World, other: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"graph": "approve", "input": {"topic": "a"}, "idempotency_key": "k"}
    await world.ended(await world.start(**asked))
    with pytest.raises(Conflict, match="use a new key"):
        await world.start(**{**asked, **other})


async def test_nothing_is_resumed_that_does_not_wait(world: World) -> None:
    with pytest.raises(Conflict, match="waits for an answer"):
        await world.start("approve", options=RunOptions(command={"resume": "publish"}))
    with pytest.raises(Conflict, match="new thread"):
        await world.start("approve", thread=None, options=RunOptions(command={"resume": "publish"}))


async def test_rollback_leaves_the_thread_as_it_was_before(world: World) -> None:
    world.open_gate("first")
    world.open_gate("last")
    await world.ended(await world.start("gate", input={"file": "first"}))
    before = await world.engine.threads.state("default", "t")
    undone = await world.start("gate", input={"file": "never"})
    while (await world.engine.threads.state("default", "t")).values["said"] != "before never":
        await asyncio.sleep(0.005)
    last = await world.start("gate", input={"file": "last"}, options=RunOptions(multitask="rollback"))
    assert (await world.ended(last)).status is RunStatus.SUCCESS
    with pytest.raises(NotFound):
        await world.engine.runs.get("default", undone.id)
    saver = JournalSaver(world.engine.journal)
    left = [each async for each in saver.alist({"configurable": {"thread_id": "t"}})]
    assert undone.id not in {each.metadata.get("run_id") for each in left}
    parents = [each.parent_config for each in left if each.metadata.get("run_id") == last.id]
    assert parents[-1]
    assert parents[-1]["configurable"]["checkpoint_id"] == before.checkpoint_id


async def test_a_waiting_run_can_be_rolled_back(
    world: World,
) -> None:
    waiting = await world.ended(await world.start("approve", input={"topic": "piers"}))
    before = await world.engine.threads.state("default", "t")
    await world.engine.runs.cancel("default", waiting.id, roll_back=True)
    with pytest.raises(NotFound):
        await world.engine.runs.get("default", waiting.id)
    assert before.values["said"] == "draft piers"
    assert (await world.engine.threads.state("default", "t")).values == {}


async def test_a_key_that_was_used_for_a_later_time_may_be_sent_again(world: World) -> None:
    world.open_gate("a")
    options = [RunOptions(start_at=time.time() + after) for after in (0.2, 0.3)]
    first, second = [
        await world.start("gate", input={"file": "a"}, idempotency_key="k", options=each) for each in options
    ]
    assert first.id == second.id
    assert (await world.ended(first)).status is RunStatus.SUCCESS


async def test_two_runs_at_once_make_one_thread(world: World) -> None:
    world.open_gate("a")
    runs = await asyncio.gather(*[world.start("gate", input={"file": "a"}) for _ in range(4)])
    assert {(await world.ended(run)).status for run in runs} == {RunStatus.SUCCESS}
    positions = [event.position for event in await world.events()]
    assert positions == list(range(1, len(positions) + 1))


async def test_what_is_left_to_do_is_gone_on_with_after_a_cancel(world: World) -> None:
    first = await world.start("gate", input={"file": "a"})
    await at_the_gate(world, "a")
    await world.engine.runs.cancel("default", first.id)
    world.open_gate("a")
    second = await world.ended(await world.start("gate"))
    assert second.error is None
    assert (second.status, second.output) == (RunStatus.SUCCESS, {"said": "after a 0"})
    assert world.ledger == ["before a", "after a 0"]
    with pytest.raises(InvalidInput, match="needs the input file"):
        await world.start("gate")


async def test_a_run_from_a_checkpoint_that_is_not_there_is_refused(world: World) -> None:
    for thread in ("t", "new"):
        with pytest.raises(NoSuchCheckpoint):
            await world.start("approve", thread, input={"topic": "a"}, options=RunOptions(checkpoint="no"))
        await world.ended(await world.start("approve", "t", input={"topic": "a"}))
    assert [entry.thread.id for entry in await world.engine.threads.search("default")] == ["t"]


async def test_a_command_may_go_to_a_step_of_a_finished_thread(world: World) -> None:
    world.open_gate("a")
    await world.ended(await world.start("gate", input={"file": "a"}))
    options = RunOptions(command={"goto": "after", "update": {"file": "b"}})
    again = await world.ended(await world.start("gate", options=options))
    assert again.output == {"said": "after b 0"}
