"""What users did is kept once, in order, for its own tenant alone, until it is to be forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import InvalidInput
from runtime.recommend.interactions import AllInteractions


def event(user: str, item: str, at: float, kind: str = "view", **more: Any) -> dict[str, Any]:
    return {"user": user, "item": item, "at": at, "kind": kind, **more}


async def test_the_history_of_a_user_begins_with_the_newest(interactions: AllInteractions) -> None:
    await interactions.record(
        "acme", [event("ann", "tea", 2), event("ann", "rice", 3), event("bob", "salt", 4)]
    )
    await interactions.record("acme", [event("ann", "milk", 1, "buy", value=2.5, recommendation="r1")])
    history = await interactions.of("acme").history("ann")
    assert [found.item for found in history] == ["rice", "tea", "milk"]
    assert (history[2].kind, history[2].value, history[2].recommendation) == ("buy", 2.5, "r1")
    assert [found.item for found in await interactions.of("acme").history("ann", 1)] == ["rice"]
    assert await interactions.of("acme").history("nobody") == []


async def test_the_same_event_sent_twice_counts_once(interactions: AllInteractions) -> None:
    rows = [event("ann", "tea", 1), event("ann", "tea", 1), event("ann", "tea", 2, id="x")]
    for _ in range(3):
        assert await interactions.record("acme", rows) == 3
    assert len(await interactions.of("acme").history("ann")) == 2


async def test_one_bad_row_and_none_is_taken(interactions: AllInteractions) -> None:
    with pytest.raises(InvalidInput, match=r"events\[1\]"):
        await interactions.record("acme", [event("ann", "tea", 1), event("ann", "tea", -1)])
    assert await interactions.of("acme").history("ann") == []


async def test_an_item_sent_again_takes_the_place_of_the_older_one(interactions: AllInteractions) -> None:
    await interactions.put_items("acme", [{"id": "tea", "title": "Tea"}, {"id": "rice", "price": 2}])
    await interactions.put_items("acme", [{"id": "tea", "title": "Green tea", "tags": ["hot"]}])
    found = await interactions.of("acme").items(["none", "tea", "rice"])
    assert [(item.id, item.title, item.tags) for item in found] == [
        ("tea", "Green tea", ("hot",)),
        ("rice", "", ()),
    ]
    assert found[1].fields["price"] == 2
    assert list(await interactions.of("acme").newest()) == ["rice", "tea"]


async def test_popular_is_what_most_users_turned_to(interactions: AllInteractions) -> None:
    rows = [event(user, "tea", 1) for user in ("ann", "bob", "eve")]
    rows += [event("ann", "rice", at) for at in range(9)] + [
        event(user, "salt", 1, "dismiss") for user in "abcdef"
    ]
    await interactions.record("acme", rows)
    assert await interactions.of("acme").popular() == [("tea", 3), ("rice", 1)]


async def test_tenants_see_nothing_of_each_other(interactions: AllInteractions) -> None:
    for tenant in ("acme", "other"):
        await interactions.record(tenant, [event("ann", f"tea of {tenant}", 1)])
        await interactions.put_items(tenant, [{"id": "tea", "title": tenant}])
    seen = interactions.of("acme")
    assert [found.item for found in await seen.history("ann")] == ["tea of acme"]
    assert [item.title for item in await seen.items(["tea"])] == ["acme"]
    assert await seen.popular() == [("tea of acme", 1)]
    assert await interactions.forget("acme", "ann") == 1
    assert len(await interactions.of("other").history("ann")) == 1


async def test_a_user_can_be_forgotten(interactions: AllInteractions) -> None:
    await interactions.record(
        "acme", [event("ann", "tea", at) for at in range(1200)] + [event("bob", "tea", 1)]
    )
    assert await interactions.forget("acme", "ann") == 1200
    assert await interactions.of("acme").history("ann") == []
    assert len(await interactions.of("acme").history("bob")) == 1
