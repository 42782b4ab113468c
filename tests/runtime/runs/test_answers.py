"""A run waits for a person over restarts, goes on with the answer, and nothing is answered twice."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest

from runtime.errors import Conflict, InvalidInput, NoSuchInterrupt, NotFound
from runtime.records import Run, RunOptions, RunStatus
from runtime.runs.answers import Answer

from .conftest import APPROVE, World, asked, lifecycles


async def waiting(world: World, thread: str = "t") -> tuple[Run, str]:
    """Return a run that waits, and the id of its question."""
    run = await world.ended(await world.start("approve", thread, input={"topic": "piers"}))
    assert run.status is RunStatus.INTERRUPTED
    return run, run.waiting[0].id


async def answer(world: World, id: str, value: object, thread: str = "t") -> Run:
    return await world.engine.runs.respond("default", thread, Answer({id: value}))


async def test_a_run_asks_and_waits(world: World) -> None:
    run, id = await waiting(world)
    events = await world.events()
    assert lifecycles(events)[-1] == ("interrupted", "interrupted")
    (question,) = asked(events)
    assert question["interrupt_id"] == id
    assert question["payload"] == question["value"]
    assert question["value"] == {
        "step": "ask",
        "show": {"said": "draft piers"},
        "choices": ["publish", "change", "reject"],
    }
    assert await world.engine.threads.status("default", "t") == "interrupted"
    assert [each.id for each in (await world.engine.runs.get("default", run.id)).waiting] == [id]


async def test_the_same_run_goes_on_with_the_answer(world: World) -> None:
    run, id = await waiting(world)
    resumed = await answer(world, id, {"choice": "publish", "note": "fine"})
    assert resumed.id == run.id
    ended = await world.ended(resumed)
    assert ended.status is RunStatus.SUCCESS
    assert ended.output == {"said": "publish fine", "decision": {"choice": "publish", "note": "fine"}}
    assert world.ledger == ["draft piers", "publish fine"]
    assert lifecycles(await world.events())[-2:] == [("running", "running"), ("completed", "success")]


async def test_a_question_may_be_asked_again(world: World) -> None:
    _, first = await waiting(world)
    again = await world.ended(await answer(world, first, "change"))
    assert again.status is RunStatus.INTERRUPTED
    second = again.waiting[0].id
    assert second != first
    assert (await world.ended(await answer(world, second, "reject"))).status is RunStatus.SUCCESS
    assert world.ledger == ["draft piers", "draft piers"]


@pytest.mark.parametrize("value", ["perhaps", 7, None, {"note": "no choice"}, {"choice": "publish", "x": 1}])
async def test_an_answer_that_does_not_fit_is_refused_and_the_run_waits_on(
    world: World, value: object
) -> None:
    run, id = await waiting(world)
    with pytest.raises(InvalidInput, match="does not fit"):
        await answer(world, id, value)
    assert (await world.engine.runs.get("default", run.id)).status is RunStatus.INTERRUPTED
    assert (await world.ended(await answer(world, id, "reject"))).status is RunStatus.SUCCESS


async def test_of_two_answers_at_once_one_wins_and_the_other_is_told(world: World) -> None:
    _, id = await waiting(world)
    answers = (answer(world, id, {"choice": "publish", "note": str(number)}) for number in range(5))
    results = await asyncio.gather(*answers, return_exceptions=True)
    winners = [result for result in results if isinstance(result, Run)]
    assert len(winners) == 1
    assert all(isinstance(result, Conflict) for result in results if result is not winners[0])
    ended = await world.ended(winners[0])
    assert ended.output
    assert [line for line in world.ledger if line.startswith("publish")] == [ended.output["said"]]
    with pytest.raises(Conflict, match="answered already"):
        await answer(world, id, "reject")


async def test_what_nobody_asked_cannot_be_answered(world: World) -> None:
    await waiting(world)
    with pytest.raises(NoSuchInterrupt):
        await answer(world, "nonsense", "publish")
    with pytest.raises(NotFound):
        await answer(world, "nonsense", "publish", thread="elsewhere")
    with pytest.raises(NotFound):
        await world.engine.runs.respond("another", "t", Answer({"nonsense": "publish"}))


async def test_it_waits_over_restarts_and_an_edit_and_goes_on_as_it_began(world: World) -> None:
    run, id = await waiting(world)
    world.write(approve=APPROVE.replace('"publish {{', '"shout {{'))
    await world.restart()
    ended = await world.ended(await answer(world, id, {"choice": "publish", "note": "late"}))
    assert (ended.id, ended.status, ended.version) == (run.id, RunStatus.SUCCESS, run.version)
    assert world.ledger == ["draft piers", "publish late"]


async def test_a_run_whose_version_is_gone_is_refused_aloud(world: World) -> None:
    run, id = await waiting(world)
    world.write(approve=APPROVE.replace('"publish {{', '"shout {{'))
    await world.engine.aclose()
    with closing(sqlite3.connect(world.folder / "var" / "hubbub.db")) as database, database:
        database.execute("DELETE FROM graph_texts WHERE graph = 'approve'")
    await world.open()
    with pytest.raises(NotFound, match="cannot be run any more"):
        await answer(world, id, "publish")
    assert (await world.engine.runs.get("default", run.id)).status is RunStatus.INTERRUPTED


async def test_when_nobody_answers_in_time_the_file_says_what_happens(world: World) -> None:
    patient = 'show    = ["said"]\nwait    = { at_most = "150ms", then = "reject" }'
    world.write(approve=APPROVE.replace('show    = ["said"]', patient))
    await world.restart()
    run, _ = await waiting(world)
    assert run.waiting[0].otherwise == "reject"
    await world.restart()  # the time goes on while nobody serves

    async def rejected() -> Run:
        while (found := await world.engine.runs.get("default", run.id)).status is not RunStatus.SUCCESS:
            await asyncio.sleep(0.01)
        return found

    ended = await asyncio.wait_for(rejected(), 20)
    assert ended.output == {"said": "draft piers", "decision": {"choice": "reject", "note": ""}}
    assert time.time() >= (run.waiting[0].expires_at or 0)


async def test_a_waiting_run_can_be_cancelled(world: World) -> None:
    run, id = await waiting(world)
    cancelled = await world.engine.runs.cancel("default", run.id)
    assert cancelled.status is RunStatus.CANCELLED
    assert lifecycles(await world.events())[-1] == ("failed", "cancelled")
    with pytest.raises(Conflict):
        await answer(world, id, "publish")


async def test_a_run_of_langgraphs_kind_goes_on_from_the_one_that_waits(world: World) -> None:
    first, id = await waiting(world)
    resume = RunOptions(command={"resume": "publish"})
    second = await world.ended(await world.start("approve", options=resume))
    assert second.id != first.id
    assert second.status is RunStatus.SUCCESS
    assert world.ledger == ["draft piers", "publish "]
    with pytest.raises(Conflict):
        await answer(world, id, "publish")
    with pytest.raises(Conflict, match="waits for an answer"):
        await world.start("approve", options=resume)


async def test_a_new_input_makes_an_open_question_void(world: World) -> None:
    first, id = await waiting(world)
    second, _ = await waiting(world)
    with pytest.raises(Conflict):
        await answer(world, id, "publish")
    found = await world.engine.runs.waiting("default", "t")
    assert found
    assert found.id == second.id != first.id


async def test_a_stop_before_a_step_is_gone_on_from_without_an_input(world: World) -> None:
    options = RunOptions(interrupt_before=("publish", "ask"))
    stopped = await world.ended(await world.start("approve", input={"topic": "a"}, options=options))
    assert (stopped.status, stopped.waiting) == (RunStatus.INTERRUPTED, ())
    state = await world.engine.threads.state("default", "t")
    assert state.next == ("ask",)
    going_on = await world.ended(await world.start("approve"))
    assert going_on.status is RunStatus.INTERRUPTED
    assert len(going_on.waiting) == 1
