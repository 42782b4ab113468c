"""A list is the best one under the rules, however few items were looked at for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.recommend.rules import Rules, compile_filter, pick
from runtime.types import CatalogueItem

TAGS = ("new", "sale", "old")


class Shelf:
    """Gives items and counts how many."""

    def __init__(self, items: Sequence[CatalogueItem]) -> None:
        self.items, self.given = {item.id: item for item in items}, 0

    async def fetch(self, ids: Sequence[str]) -> list[CatalogueItem]:
        self.given += len(ids)
        return [self.items[id] for id in ids if id in self.items]


def shelf(tags: Sequence[Sequence[str]]) -> Shelf:
    return Shelf(
        [
            CatalogueItem(str(n), tags=tuple(own), fields={"price": n % 7, "tags": list(own)})
            for n, own in enumerate(tags)
        ]
    )


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sets(st.sampled_from(TAGS))), max_size=400),
    st.dictionaries(st.sampled_from(TAGS), st.floats(0, 5)),
    st.integers(1, 30),
    st.booleans(),
)
def test_it_is_the_list_that_looking_at_everything_gives(
    given: list[tuple[float, set[str]]], boost: dict[str, float], k: int, cheap: bool
) -> None:
    scores = sorted((score for score, _ in given), reverse=True)
    there = shelf([sorted(tags) for _, tags in given])
    rules = Rules(boost=boost, condition=compile_filter("item.price < 4") if cheap else None)
    ranked = [(str(n), score) for n, score in enumerate(scores)]
    found = asyncio.run(pick(ranked, k, rules, there.fetch))
    every = rules.judge([(score, there.items[id]) for id, score in ranked])
    assert [score for score, _ in found] == sorted((score for score, _ in every), reverse=True)[:k]


async def test_only_as_many_items_are_fetched_as_can_matter() -> None:
    there = shelf([("new",)] * 5000)
    ranked = [(str(n), 1.0 / (n + 1)) for n in range(5000)]
    assert len(await pick(ranked, 10, Rules(boost={"new": 2.0}), there.fetch)) == 10
    assert there.given == 50
    there.given = 0
    assert len(await pick(ranked, 10, Rules(), there.fetch)) == 10
    assert there.given == 10


async def test_an_item_whose_field_is_missing_is_not_shown_by_a_filter() -> None:
    there = Shelf([CatalogueItem("cheap", fields={"price": 3.5}), CatalogueItem("unknown")])
    ranked = [("unknown", 1.0), ("cheap", 0.5), ("nowhere", 0.2)]
    found = await pick(ranked, 5, Rules(condition=compile_filter("item.price < 20")), there.fetch)
    assert [item.id for _, item in found] == ["cheap"]
    assert [item.id for _, item in await pick(ranked, 5, Rules(), there.fetch)] == [
        "unknown",
        "cheap",
        "nowhere",
    ]


@pytest.mark.parametrize("rules", [Rules(), Rules(boost={"old": 2.0}), Rules(diversity=0.5)])
async def test_a_deleted_item_is_never_shown(rules: Rules) -> None:
    there = Shelf(
        [CatalogueItem("a", fields={"deleted": True}), CatalogueItem("b", fields={"deleted": False})]
    )
    chosen = await pick([("a", 0.9), ("b", 0.8), ("c", 0.7)], 2, rules, there.fetch)
    assert [item.id for _, item in chosen] == ["b", "c"]


async def test_a_varied_list_is_not_all_of_one_kind() -> None:
    there = shelf([("new",)] * 20 + [("old",)] * 20)
    ranked = [(str(n), 1.0 - n / 100) for n in range(40)]
    best = await pick(ranked, 6, Rules(), there.fetch)
    varied = await pick(ranked, 6, Rules(diversity=0.5), there.fetch)
    assert {item.tags for _, item in best} == {("new",)}
    assert [item.id for _, item in varied[:2]] == ["0", "20"]
    scores = [score for score, _ in varied]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("item.price = 3", "write == to compare"),
        ("price < 3", "price"),
        ("item.price <", "is no condition"),
        ("", "is empty"),
        ("item.title == 'x' || " * 40 + "true", "at most 400 characters"),
    ],
)
def test_a_filter_that_is_none_is_one_sentence(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match="the filter") as refused:
        compile_filter(text)
    assert told in str(refused.value)
