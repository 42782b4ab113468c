"""Lists keep to the rules, say why, and say why there is none."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hubbub import CatalogueItem, Interaction, InvalidInput
from hubbub.testing import FakeContext
from hubbub.testing.context import FakeInteractions
from plugins.personal import Params, Personal

TAGS = {"tea": ("hot",), "milk": ("cold", "white"), "rice": ("white",)}
ITEMS = [CatalogueItem(id, id.title(), tags, {"tags": list(tags)}) for id, tags in TAGS.items()]
EVENTS = [
    Interaction(user, item, "view", 1.0)
    for user, items in {"ann": ["tea"], "bob": ["tea", "milk"], "eve": ["tea", "milk", "rice"]}.items()
    for item in items
]


async def listed(user: str = "new", k: int = 5, events: Any = EVENTS, **params: Any) -> list[str]:
    did = FakeInteractions(events, ITEMS)
    found = await Personal().recommend(user, k, FakeContext(did=did, params=Params(**params)))
    return [item.id for item in found]


async def test_before_anything_is_fitted_what_is_popular_comes() -> None:
    assert await listed() == ["tea", "milk", "rice"]
    assert await listed(k=1) == ["tea"]
    assert await listed(k=10**9) == ["tea", "milk", "rice"]


async def test_what_a_user_had_does_not_come_again_unless_asked_for() -> None:
    assert await listed("bob") == ["rice"]
    assert await listed("bob", again=True) == ["tea", "milk", "rice"]


async def test_what_was_dismissed_never_comes_until_it_is_wanted_again() -> None:
    dismissed = [*EVENTS, Interaction("new", "tea", "dismiss", 2.0)]
    assert await listed(events=dismissed, again=True) == ["milk", "rice"]
    assert await listed(events=[*dismissed, Interaction("new", "tea", "buy", 3.0)], again=True) == [
        "tea",
        "milk",
        "rice",
    ]


async def test_a_group_has_its_own_rules_and_a_user_one_group() -> None:
    groups = {"a": {"share": 1}, "b": {"share": 1, "block": ["tea"]}}
    seen = {}
    for user in (f"user {n}" for n in range(40)):
        params = Params.model_validate({"groups": groups, "filter": "'x' in item.tags || true"})
        ctx = FakeContext(did=FakeInteractions(EVENTS, ITEMS), params=params)
        found = await Personal().recommend(user, 5, ctx)
        assert found.group == (await Personal().recommend(user, 5, ctx)).group
        seen[found.group] = [item.id for item in found]
    assert seen == {"a": ["tea", "milk", "rice"], "b": ["milk", "rice"]}


async def test_the_rules_of_the_business_hold() -> None:
    assert await listed(block=["tea"]) == ["milk", "rice"]
    assert await listed(boost={"cold": 2.0}) == ["milk", "tea", "rice"]
    assert await listed(boost={"unknown tag": 9.0}) == ["tea", "milk", "rice"]
    assert await listed(filter="'white' in item.tags") == ["milk", "rice"]
    assert await listed(boost={"white": 0.0}) == ["tea", "milk", "rice"]


@pytest.mark.parametrize(
    ("events", "params", "told"),
    [
        ([], {}, "Nothing is known of any user or item yet; send events to POST /events."),
        (EVENTS, {"filter": "item.price < 3"}, "No item is left that the rules allow"),
        (EVENTS, {"block": list(TAGS)}, "Every item is one that the user had or that is blocked"),
    ],
)
async def test_an_empty_list_says_why(events: Any, params: dict[str, Any], told: str) -> None:
    did = FakeInteractions(events, ITEMS)
    found = await Personal().recommend("new", 5, FakeContext(did=did, params=Params(**params)))
    assert (len(found), found.method) == (0, "popularity")
    assert told in found.note


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "item.price = 3"},
        {"boost": {"a": -1}},
        {"boost": {"a": float("nan")}},
        {"diversity": 1.5},
        {"groups": {"a": {"divresity": 0.5}}},
        {"groups": {"a": {"filter": "item.price ="}}},
        {"bost": {}},
    ],
)
def test_rules_that_are_none_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, InvalidInput)):
        Params(**params)
