"""kill -9 at each write of a run's life, right before and right after its commit.

The kill comes from the writer itself (`tests.faults.armed_writer`): it is the only place where "before
this commit" and "after this commit" are exact.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from tests.faults.armed_writer import Trap
from tests.faults.client import Client, Refused
from tests.faults.figures import count
from tests.faults.place import Place, until

Moment = Literal["before", "inside", "after"]
Victims = Literal["both", "hub", "writer"]

WRITES = {
    "accept": Trap("run.create"),
    "claim": Trap("run.change", value="running"),
    "step write": Trap("write"),
    "checkpoint": Trap("checkpoint"),
    "message start": Trap("message.open"),
    "message finish": Trap("message.close"),
    "finish": Trap("run.change", value="success"),
}
PERSONS_WRITES = {
    "interrupt": Trap("run.change", value="interrupted"),
    "answer": Trap("run.resume"),
}
KILLS: list[tuple[Moment, Victims]] = [("before", "both"), ("after", "both"), ("before", "hub")]

at_every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@pytest.mark.parametrize(("moment", "victims"), KILLS)
@at_every_write
async def test_a_hub_killed_at_a_write_loses_and_doubles_nothing(
    served: Place, write: Trap, moment: Moment, victims: Victims
) -> None:
    async with Client(served.url) as client:
        served.arm(Trap(write.statement, moment, victims, write.value))
        restarted = asyncio.create_task(served.start_again_after_a_kill())
        # Two at once: the second one waits for its turn, and is claimed then.
        runs = [await client.start("chain", word=word) for word in ("one", "two")]
        await restarted
        for run in runs:
            assert (await client.ended(run))["event"] == "completed"
        figures = count(served, [client])
    assert len(client.accepted) == len(served.rows("SELECT 1 FROM runs WHERE thread = ?", client.thread))
    assert figures.clean, f"{figures}\n{served.log[-3000:]}"


@pytest.mark.parametrize("moment", ["before", "inside", "after"])
@at_every_write
async def test_nobody_notices_that_the_writer_was_killed_at_a_write(
    served: Place, write: Trap, moment: Moment
) -> None:
    async with Client(served.url) as client:
        served.arm(Trap(write.statement, moment, "writer", write.value))
        runs = [await client.start("chain", word=word) for word in ("one", "two")]
        for run in runs:
            assert (await client.ended(run))["attempt"] == 1
        figures = count(served, [client])
    assert not served.armed
    assert figures.clean, f"{figures}\n{served.log[-3000:]}"


@pytest.mark.parametrize(("moment", "victims"), KILLS)
@pytest.mark.parametrize("write", PERSONS_WRITES.values(), ids=PERSONS_WRITES)
async def test_a_hub_killed_at_a_question_or_its_answer_asks_once_and_takes_one_answer(
    served: Place, write: Trap, moment: Moment, victims: Victims
) -> None:
    async with Client(served.url) as client:
        served.arm(Trap(write.statement, moment, victims, write.value))
        restarted = asyncio.create_task(served.start_again_after_a_kill())
        run = await client.start("ask", word="x")
        question = await client.asked(run)
        await answer(client, question)
        assert (await client.ended(run))["event"] == "completed"
        await restarted
        figures = count(served, [client])
    asked = [event for event in served.events(client.thread) if event[2] == "input.requested"]
    assert len(asked) == 1
    assert {line["text"] for line in served.ledger if line["run"] == run} == {"draft x", "publish x"}
    assert figures.clean, f"{figures}\n{served.log[-3000:]}"


async def answer(client: Client, question: str) -> None:
    """Answer; who is cut off and asks again may be told that the answer is there already."""
    try:
        await client.ask("input.respond", interrupt_id=question, response="publish")
    except Refused as refused:
        if refused.code != "conflict" or not client.cuts:
            raise


@pytest.mark.parametrize(("moment", "victims"), KILLS)
async def test_a_hub_killed_while_it_takes_a_run_back_has_taken_it_back_when_the_next_one_ends(
    served: Place, moment: Moment, victims: Victims
) -> None:
    async with Client(served.url) as client:
        first = await client.start("hold", word="first", gate="never")
        await until(lambda: any(line["run"] == first for line in served.ledger))
        served.arm(Trap("run.delete", moment, victims, first))
        restarted = asyncio.create_task(served.start_again_after_a_kill())
        second = await client.start("chain", multitask="rollback", word="second")
        assert (await client.ended(second))["event"] == "completed"
        await restarted
        assert client.halves() == []
    assert served.rows("SELECT id FROM runs WHERE thread = ?", client.thread) == [(second,)]
    assert served.rows("SELECT 1 FROM checkpoints WHERE thread = ? AND run = ?", client.thread, first) == []
