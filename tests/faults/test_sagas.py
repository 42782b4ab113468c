"""A run that failed is undone each once and in reverse, also when its hub is killed at any moment of it."""

from __future__ import annotations

import pytest

from tests.faults.client import Client
from tests.faults.place import Place, until


def texts(place: Place) -> list[str]:
    return [line["text"] for line in place.ledger]


@pytest.mark.parametrize("victims", ["both", "hub", "writer"])
async def test_undoing_goes_on_where_a_kill_has_cut_it_off(place: Place, victims: str) -> None:
    async with Client(place.url) as client:
        run = await client.start("saga", word="w", back="back")
        await until(lambda: "undo second second w" in texts(place))
        place.kill(victims)
        if victims != "writer":
            await place.start_again_after_a_kill()
        place.gate("back")
        ended = await client.ended(run)
        assert (ended["event"], ended["metadata"]["step"]) == ("failed", "fall")
    done = list(dict.fromkeys(texts(place)))
    assert done == ["first w", "second w", "undo second second w", "undo first w"]
    # What was cut off is done again under its own key; what was undone is not undone twice.
    assert len({line["key"] for line in place.ledger}) == len(done)
    assert texts(place).count("undo first w") == 1
    assert (
        place.rows("SELECT * FROM effects UNION ALL SELECT 1, run, 1, 1, 1, 1, 1, 1, 1, 1 FROM endings") == []
    )


async def test_a_step_that_was_cut_off_is_done_again_and_undone_once(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("saga", word="w", gate="gate")
        await until(lambda: "second w" in texts(place))
        place.kill()
        await place.start_again_after_a_kill()
        await until(lambda: texts(place).count("second w") == 2)
        place.gate("gate")
        assert (await client.ended(run))["event"] == "failed"
    assert texts(place) == ["first w", "second w", "second w", "undo second second w", "undo first w"]
    assert len({line["key"] for line in place.ledger}) == 4
