"""Whether JSON holds some other JSON."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.journal.json_contains import contains, holds

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3) | st.sampled_from(
    ["a", "b", "1", "true", "{}", '"']
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([0.0, 1.0, 0.5])
    | TEXTS
)


def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw lists and objects of these."""
    return SCALARS | st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)


VALUES = around(around(around(SCALARS)))
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)

DATABASE = sqlite3.connect(":memory:")


def asked(document: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Ask SQLite."""
    condition = contains("CAST(document AS TEXT)", wanted)
    sql = f"SELECT {condition.sql} FROM (SELECT ? AS document)"
    parameters = (*condition.parameters, orjson.dumps(document))
    return bool(DATABASE.execute(sql, parameters).fetchone()[0])


@st.composite
def parts(draw: st.DrawFn, value: Any) -> Any:
    """Draw something that a value holds."""
    if isinstance(value, dict):
        keys = draw(st.sets(st.sampled_from(sorted(value)))) if value else ()
        return {key: draw(parts(value[key])) for key in keys}
    if isinstance(value, list):
        chosen = draw(st.lists(st.sampled_from(range(len(value))), max_size=3)) if value else []
        return [draw(parts(value[number])) for number in chosen]
    return value


@given(OBJECTS, st.data())
def test_what_is_taken_from_a_value_is_found_in_it(document: dict[str, Any], data: st.DataObject) -> None:
    wanted = data.draw(parts(document))
    assert holds(document, wanted)
    assert asked(document, wanted)


@given(OBJECTS, OBJECTS)
def test_sql_and_python_agree(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert asked(document, wanted) == holds(document, wanted)


@pytest.mark.parametrize(
    ("document", "wanted", "found"),
    [
        ({"a": 1, "b": 2}, {}, True),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, True),
        ({"a": "not JSON"}, {"a": {"b": 1}}, False),
        ({"a": '{"b": 1}'}, {"a": {"b": 1}}, False),
        ({"a": [1, {"b": 2, "c": 3}]}, {"a": [{"b": 2}]}, True),
        ({"a": [1, 2]}, {"a": [2, 1, 1]}, True),
        ({"a": [1, 2]}, {"a": [3]}, False),
        ({"a": [1]}, {"a": 1}, False),
        ({"a.b": 1, '"': 2}, {"a.b": 1, '"': 2}, True),
        ({"a": {"b": 1}}, {"a.b": 1}, False),
    ],
)
def test_one_holds_the_other(document: dict[str, Any], wanted: dict[str, Any], found: bool) -> None:
    assert asked(document, wanted) is holds(document, wanted) is found


def nested(depth: int) -> dict[str, Any]:
    """Return an object so many levels deep."""
    return {"a": nested(depth - 1)} if depth else {}


def test_a_filter_is_bounded() -> None:
    for wanted in ({"a": list(range(300))}, nested(7), {"a": [[[[[[[1]]]]]]]}):
        with pytest.raises(InvalidInput, match="at most"):
            contains("document", wanted)
    assert asked(nested(6), nested(5))
