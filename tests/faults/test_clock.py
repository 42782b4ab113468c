"""A clock that jumps: back by an hour between two starts, or ahead by a week while a run waits."""

from __future__ import annotations

import pytest
from langgraph_sdk import get_client

from tests.faults.client import Client
from tests.faults.figures import count
from tests.faults.place import Place

HOUR, WEEK = 3600.0, 7 * 86400.0


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_hub_whose_clock_was_set_goes_on_where_it_was(place: Place, jump: float) -> None:
    async with Client(place.url) as client:
        first = await client.start("chain", word="one")
        await client.ended(first)
        second = await client.start("chain", word="two", gate="g")
        await client.until(lambda frame: frame["params"]["data"].get("message_id", "").startswith(second))
        await place.restart(clock=jump)
        waiting = await client.start("chain", word="three")
        place.gate("g")
        for run in (second, waiting):
            assert (await client.ended(run))["event"] == "completed"
        figures = count(place, [client])
        assert figures.clean, figures
        # What is newest is what was accepted last, whatever the clock says.
        sdk = get_client(url=place.url)
        runs = await sdk.runs.list(client.thread)
        assert [run["run_id"] for run in runs] == [waiting, second, first]
        state = await sdk.threads.get_state(client.thread)
        assert state["values"]["said"] == "after three"  # type: ignore[call-overload]
        assert state["next"] == []


async def test_an_approval_whose_time_is_over_by_a_jump_of_the_clock_answers_itself(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("patient", word="x")
        await client.asked(run)
        await place.restart(clock=WEEK)
        assert (await client.ended(run))["event"] == "completed"
        assert [line["text"] for line in place.ledger] == ["draft x"]
        figures = count(place, [client])
        assert figures.clean, figures
