"""Applications tell what users did and what there is; every refusal is one sentence."""

from __future__ import annotations

from typing import Any

from tests.hub.conftest import RealHub

EVENT = {"user": "ann", "item": "tea", "kind": "view", "at": 1_700_000_000}


async def history(real: RealHub, user: str = "ann") -> list[str]:
    interactions = real.world.engine.interactions.of("default")
    return [event.item for event in await interactions.history(user)]


async def test_events_are_kept_over_a_restart(real: RealHub) -> None:
    assert await real.ask("POST", "/events", {"events": [EVENT]}) == (200, {"events": 1})
    await real.restart()
    assert await real.ask("POST", "/events", {"events": [EVENT]}) == (200, {"events": 1})
    assert await history(real) == ["tea"]


async def test_many_events_are_taken_at_once(real: RealHub) -> None:
    rows = [{**EVENT, "item": f"item {number}"} for number in range(10_000)]
    assert await real.ask("POST", "/events", {"events": rows}) == (200, {"events": 10_000})
    assert len(await real.world.engine.interactions.of("default").history("ann", 1000)) == 1000


async def test_items_are_taken(real: RealHub) -> None:
    items = [{"id": "tea", "title": "Tea", "tags": ["hot"], "price": 3.5}]
    assert await real.ask("POST", "/items", {"items": items}) == (200, {"items": 1})
    (found,) = await real.world.engine.interactions.of("default").items(["tea"])
    assert found.fields["price"] == 3.5


async def test_a_bad_row_is_named_and_nothing_is_taken(real: RealHub) -> None:
    status, said = await real.ask("POST", "/events", {"events": [EVENT, {**EVENT, "kind": "stare"}]})
    assert (status, said["code"]) == (422, "invalid_argument")
    assert said["detail"].startswith("events[1]: kind is 'stare'")
    assert await history(real) == []


async def test_what_is_no_list_of_rows_is_refused(real: RealHub) -> None:
    bodies: list[Any] = [{}, {"events": {}}, {"events": [], "more": 1}, {"events": None}, []]
    assert [(await real.ask("POST", "/events", body))[0] for body in bodies] == [422] * len(bodies)
    async with real.client.post("/events", data=b'{"events": [{"at": NaN}]}') as answer:
        assert answer.status == 422


async def test_nothing_is_no_failure(real: RealHub) -> None:
    assert await real.ask("POST", "/events", {"events": []}) == (200, {"events": 0})
    assert await real.ask("POST", "/items", {"items": []}) == (200, {"items": 0})


async def test_a_user_can_be_forgotten(real: RealHub) -> None:
    await real.ask("POST", "/events", {"events": [EVENT, {**EVENT, "user": "bob smith"}]})
    assert await real.ask("DELETE", "/events?user=bob%20smith") == (200, {"events": 1})
    assert await real.ask("DELETE", "/events?user=bob%20smith") == (200, {"events": 0})
    assert (await real.ask("DELETE", "/events"))[0] == 422
    assert await history(real) == ["tea"]
