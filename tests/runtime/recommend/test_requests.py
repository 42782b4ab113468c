"""Rows are taken as they were meant, or refused with the row and what to do."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput, TooLarge
from runtime.recommend.requests import MAX_ID, MAX_ROWS, check_user, read_events, read_items

NOW = 1_800_000_000.0
EVENT: dict[str, Any] = {"user": "ann", "item": "tea", "kind": "view", "at": 1_700_000_000}
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.lists(json | st.dictionaries(st.sampled_from([*EVENT, "value", "id"]), json)))
def test_whatever_is_sent_is_events_or_one_sentence(rows: list[Any]) -> None:
    try:
        found = read_events(rows, NOW)
    except InvalidInput as refused:
        assert str(refused).startswith("events[")  # noqa: PT017 - which of both is up to the rows
    else:
        assert all(math.isfinite(each.event.at) and each.event.user for each in found)


@given(st.lists(json | st.dictionaries(st.sampled_from(["id", "title", "tags"]), json)))
def test_whatever_is_sent_is_items_or_one_sentence(rows: list[Any]) -> None:
    try:
        found = read_items(rows)
    except InvalidInput as refused:
        assert str(refused).startswith("items[")  # noqa: PT017
    else:
        assert len({item.id for item in found}) == len(rows)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "veiw"}, "kind is 'veiw'; send one of view, like, buy, dismiss"),
        ({"user": ""}, "user is ''"),
        ({"user": "x" * 10_000}, f"it is text of 1 to {MAX_ID} characters"),
        ({"item": "a\nb"}, "item is 'a\\nb'"),
        ({"item": None}, "item is missing"),
        ({"at": "yesterday"}, "at is 'yesterday'"),
        ({"at": True}, "at is 'true'"),
        ({"at": math.inf}, "at is 'Infinity'"),
        ({"at": 10**400}, "at is '1000"),
        ({"value": -(10**400)}, "it is a finite number"),
        ({"user": "\ud800"}, "user is '\\ud800'"),
        ({"at": -1}, "since 1970"),
        ({"at": 1_700_000_000_000}, "looks like milliseconds; send seconds"),
        ({"at": NOW + 100_000}, "more than a day in the future"),
        ({"value": math.nan}, "it is a finite number"),
        ({"valeu": 3}, "has a field valeu"),
        ({"recommendation": 1.5}, "recommendation is '1.5'"),
    ],
)
def test_a_bad_event_is_named_with_its_row(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_events([EVENT, {**EVENT, **change}], NOW)
    assert str(refused.value).startswith("events[1]")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"title": "no id"}, "id is missing"),
        ({"id": "a", "title": 3}, "title is text"),
        ({"id": "a", "tags": "red"}, "tags is a list"),
        ({"id": "a", "tags": ["red", 2.5]}, "tags is '2.5'"),
        ({"id": "a", "long": "x" * 20_000}, "over 16 KiB"),
        ({"id": "a", "deleted": "yes"}, "it is true or false"),
        ({"id": "a", "size": 10**30}, "a whole number of over 64 bits"),
        ({"id": "first"}, "has the id of items[0]"),
    ],
)
def test_a_bad_item_is_named_with_its_row(item: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_items([{"id": "first"}, item])
    assert str(refused.value).startswith("items[1]")
    assert told in str(refused.value)


def test_too_many_rows_are_refused_as_a_whole() -> None:
    with pytest.raises(TooLarge, match="send at most 10,000 at once"):
        read_events([EVENT] * (MAX_ROWS + 1), NOW)


def test_a_time_may_be_a_number_or_a_text_with_or_without_a_zone() -> None:
    times = [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T04:04:05+01:00",
        1767323045,
        1767323045.0,
    ]
    assert {each.event.at for each in read_events([{**EVENT, "at": at} for at in times], NOW)} == {
        1767323045.0
    }


def test_the_same_event_has_the_same_key_however_it_is_written() -> None:
    first, again, other, named = read_events(
        [
            EVENT,
            {**EVENT, "at": float(EVENT["at"]), "value": 3},
            {**EVENT, "kind": "buy"},
            {**EVENT, "id": "7"},
        ],
        NOW,
    )
    assert first.key == again.key
    assert len({first.key, other.key, named.key}) == 3


def test_ids_may_be_whole_numbers_and_emoji() -> None:
    (found,) = read_events([{**EVENT, "user": 7, "item": "☕️🫖"}], NOW)
    assert (found.event.user, found.event.item) == ("7", "☕️🫖")
    (item,) = read_items([{"id": 8, "tags": [1998, "🍵"]}])
    assert (item.id, item.tags, item.fields["id"]) == ("8", ("1998", "🍵"), "8")


def test_a_user_to_forget_needs_a_name() -> None:
    with pytest.raises(InvalidInput, match="user is ''"):
        check_user("")
