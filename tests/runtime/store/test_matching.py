"""Filters, pages and namespaces mean what they mean in LangGraph: its InMemoryStore is the judge."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from runtime.errors import InvalidInput
from runtime.store.matching import check_filter, choose_namespaces, equalities, matches
from runtime.store.requests import NamespaceQuery

NAMES = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(-3, 3) | st.floats(-3, 3)
TEXTS = st.sampled_from(["", "x", "y"])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
BIG = st.integers(-(1 << 63), (1 << 64) - 1)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=3)
COMPARISONS = st.fixed_dictionaries(
    {},
    optional={
        "$eq": SCALARS,
        "$ne": SCALARS,
        "$gt": NUMBERS,
        "$gte": NUMBERS,
        "$lt": NUMBERS,
        "$lte": NUMBERS,
    },
).filter(bool)
FILTERS = st.dictionaries(NAMES, JSON | COMPARISONS, max_size=2)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
PATTERNS = st.lists(NAMES | st.just("*"), max_size=3).map(tuple)


@given(OBJECTS, FILTERS)
def test_a_filter_lets_through_what_langgraphs_does(value: dict[str, Any], filter: dict[str, Any]) -> None:
    """But for two things: 1 is not true, and what is no number is not compared (there it is an error)."""
    assume(not _mixes_truth_and_numbers(value, filter) and not _compares_no_numbers(value, filter))
    store = InMemoryStore()
    store.put(("n",), "k", value)
    assert matches(value, filter) == bool(store.search(("n",), filter=filter))


@given(
    st.dictionaries(WORDS, JSON | WORDS | BIG, max_size=3),
    st.dictionaries(
        WORDS, JSON | WORDS | BIG | st.fixed_dictionaries({"$eq": SCALARS | WORDS | BIG}), max_size=2
    ),
    st.booleans(),
)
def test_what_a_filter_lets_through_has_its_equalities_for_sqlite_too(
    value: dict[str, Any], filter: dict[str, Any], take: bool
) -> None:
    value = {**value, **filter} if take else value
    assume(matches(value, filter))
    text = orjson.dumps(value)
    with sqlite3.connect(":memory:") as database:
        for name, wanted in equalities(filter).items():
            sql = "SELECT json_extract(CAST(? AS TEXT), ?) = ?"
            assert database.execute(sql, (text, f'$."{name}"', wanted)).fetchone() == (1,)


@given(
    st.lists(PATHS, max_size=12),
    PATTERNS,
    PATTERNS,
    st.none() | st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_namespaces_are_chosen_as_langgraph_chooses_them(
    stored: list[tuple[str, ...]],
    prefix: tuple[str, ...],
    suffix: tuple[str, ...],
    max_depth: int | None,
    limit: int,
    offset: int,
) -> None:
    store = InMemoryStore()
    for namespace in stored:
        store.put(namespace, "k", {})
    expected = store.list_namespaces(
        prefix=prefix, suffix=suffix, max_depth=max_depth, limit=limit, offset=offset
    )
    assert choose_namespaces(stored, NamespaceQuery(prefix, suffix, max_depth, limit, offset)) == expected


@pytest.mark.parametrize(
    ("value", "filter", "holds"),
    [
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({}, {"a": None}, True),
        ({}, {"a": {"$ne": 1}}, True),
        ({"a": "2024-05-01"}, {"a": {"$gte": "2024-01-01", "$lt": "2025-01-01"}}, True),
        ({"a": "9"}, {"a": {"$gt": 5}}, False),
        ({}, {"a": {"$lt": 5}}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"$eq": {"b": 1}}}, False),
        ({"a": {"b": 4}}, {"a": {"b": {"$gt": 3}}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
    ],
)
def test_a_condition_compares_like_with_like(value: Any, filter: Any, holds: bool) -> None:
    check_filter(filter)
    assert matches(value, filter) is holds


@pytest.mark.parametrize("filter", [{"a": {"$in": [1]}}, {"a": {"$gt": 1, "b": 2}}, {"a": [{"$like": "x"}]}])
def test_an_unknown_operator_is_refused(filter: Any) -> None:
    with pytest.raises(InvalidInput, match="use \\$eq"):
        check_filter(filter)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


def _mixes_truth_and_numbers(*values: Any) -> bool:
    kinds = {type(leaf) for value in values for leaf in _leaves(value)}
    return bool in kinds and bool(kinds & {int, float})


def _compares_no_numbers(value: dict[str, Any], filter: dict[str, Any]) -> bool:
    return any(
        isinstance(wanted, dict)
        and any(name in wanted for name in ("$gt", "$gte", "$lt", "$lte"))
        and type(value.get(name)) not in (int, float)
        for name, wanted in filter.items()
    )
