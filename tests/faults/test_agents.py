"""An agent whose hub is killed in the middle of a call goes on there, and pays for nothing twice."""

from __future__ import annotations

import pytest

from tests.faults.client import Client
from tests.faults.conftest import MakePlace
from tests.faults.place import until

CLERK = '[models.clerk]\nuse = ["clerk"]\n'


@pytest.mark.parametrize("victims", ["both", "hub", "writer"])
async def test_what_an_agent_was_told_and_has_done_is_kept_over_a_kill(
    make_place: MakePlace, victims: str
) -> None:
    place = make_place(CLERK)
    await place.start()

    def texts() -> list[str]:
        return [line["text"] for line in place.ledger]

    async with Client(place.url) as client:
        run = await client.start("agent", lines="rent\ngate\ngas")
        await until(lambda: "gate" in texts())
        place.kill(victims)
        if victims != "writer":
            await place.start_again_after_a_kill()
            await until(lambda: texts().count("gate") == 2)
        place.gate("gate")
        ended = await client.ended(run)
        assert ended["event"] == "completed", ended
        state = [each for each in client.durable if each["method"] == "updates"]
        assert "did rent did gate did gas" in str(state)
    repeated = [] if victims == "writer" else ["gate"]
    assert texts() == ["asked 0", "rent", "asked 1", "gate", *repeated, "asked 2", "gas", "asked 3"]
    assert len({line["key"] for line in place.ledger if line["text"] == "gate"}) == 1
