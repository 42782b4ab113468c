"""Told to stop: runs are left at a step boundary, in time, and the next process goes on there."""

from __future__ import annotations

import signal

from tests.faults.client import Client, says
from tests.faults.conftest import MakePlace
from tests.faults.figures import count
from tests.faults.place import Place, until

INTERRUPTED = 130


async def test_a_long_step_is_left_when_the_time_is_over_and_run_again_as_the_same_attempt(
    make_place: MakePlace,
) -> None:
    place = make_place('\n[hub]\ndrain = "1s"\n')
    await place.start()
    async with Client(place.url) as client:
        run = await client.start("hold", word="x", gate="g")
        waiting = await client.start("chain", word="y")
        await until(lambda: len(place.ledger) == 1)
        place.tell(signal.SIGTERM)
        assert await place.ended() == 0
        place.gate("g")
        await place.start()
        assert (await client.ended(run))["attempt"] == 1
        assert (await client.ended(waiting))["attempt"] == 1
        figures = count(place, [client])
    assert figures.clean, figures
    assert [line["text"] for line in place.ledger][:3] == ["first x", "first x", "second x"]


async def test_a_step_that_ends_in_time_is_not_run_again(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("hold", word="x", gate="g")
        await until(lambda: len(place.ledger) == 1)
        place.tell(signal.SIGTERM)
        await until(lambda: "stopping" in place.log)
        place.gate("g")
        assert await place.ended() == 0
        assert [line["text"] for line in place.ledger] == ["first x"]
        await place.start()
        await client.ended(run)
        figures = count(place, [client])
    assert figures.clean, figures
    assert [line["text"] for line in place.ledger] == ["first x", "second x"]


async def test_a_half_message_is_taken_back_when_the_hub_stops(make_place: MakePlace) -> None:
    place = make_place('\n[hub]\ndrain = "1s"\n')
    await place.start()
    async with Client(place.url) as client:
        run = await client.start("chain", word="x", gate="g")
        await client.until(lambda frame: frame["method"] == "messages")
        place.tell(signal.SIGTERM)
        assert await place.ended() == 0
        place.gate("g")
        await place.start()
        await client.ended(run)
        figures = count(place, [client])
    assert figures.clean, figures


async def test_a_second_signal_ends_the_hub_at_once_and_loses_nothing(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("chain", word="x", gate="g")
        await client.until(lambda frame: frame["method"] == "messages")
        place.tell(signal.SIGTERM)
        await until(lambda: "stopping" in place.log)
        place.tell(signal.SIGTERM)
        assert await place.ended() == INTERRUPTED
        place.gate("g")
        await place.start()
        await client.until(lambda frame: says(frame, run, "completed"))
        figures = count(place, [client])
    assert figures.clean, figures
