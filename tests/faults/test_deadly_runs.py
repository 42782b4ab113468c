"""A run that kills its process is stopped after three tries, and takes no other run with it."""

from __future__ import annotations

import pytest

from tests.faults.client import Client
from tests.faults.place import Place, until


async def supervise(place: Place, deaths: int) -> None:
    """Start the hub again each time it dies."""
    for _ in range(deaths):
        await place.start_again_after_a_kill()


@pytest.mark.parametrize("innocent_first", [True, False])
async def test_a_deadly_run_ends_with_a_sentence_and_those_beside_it_go_on(
    place: Place, innocent_first: bool
) -> None:
    async with Client(place.url) as killer, Client(place.url) as innocent:
        if innocent_first:
            patient = await innocent.start("hold", word="x", gate="g")
            await until(lambda: len(place.ledger) == 1)
        deadly = await killer.start("deadly", word="die", gate="begin")
        if not innocent_first:
            patient = await innocent.start("hold", word="x", gate="g")
            await until(lambda: any(line["run"] == patient for line in place.ledger))
        place.gate("begin")
        await supervise(place, 3)
        ended = await killer.ended(deadly)
        assert ended["event"] == "failed"
        assert ended["metadata"]["code"] == "too_many_attempts"
        assert "ended its process 3 times" in ended["error"]
        assert killer.texts() == {}
        assert killer.halves() == []
        place.gate("g")
        assert (await innocent.ended(patient))["event"] == "completed"
    tries = [line for line in place.ledger if line["text"] == "die"]
    assert len(tries) == 3
    assert len({line["key"] for line in tries}) == 1
    assert [line["text"] for line in place.ledger if line["run"] == deadly].count("before die") == 1
