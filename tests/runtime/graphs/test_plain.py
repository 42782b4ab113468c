"""State values become plain JSON, or are refused with the name of their field."""

from __future__ import annotations

import json
import sys
import types
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, HumanMessage, RemoveMessage
from langgraph.types import Interrupt, Send
from pydantic import BaseModel

from runtime.errors import InvalidInput
from runtime.graphs.plain import plain, plain_fields

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Color(Enum):
    RED = "red"


class Lead(BaseModel):
    email: str
    said: list[HumanMessage] = []


@dataclass
class Point:
    x: int
    tags: frozenset[str]


class Pair(NamedTuple):
    a: int
    b: int


@given(JSON)
def test_json_stays_as_it_is(value: Any) -> None:
    assert plain(value, "It") == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, frozenset({"a"})), {"x": 1, "tags": ["a"]}),
        (Pair(1, 2), [1, 2]),
        ({3: (1, 2)}, {"3": [1, 2]}),
        (deque([1]), [1]),
        (Color.RED, "red"),
        (Decimal("1.5"), 1.5),
        (b"abc", "YWJj"),
        (PurePosixPath("a/b"), "a/b"),
        (datetime(2025, 1, 1, tzinfo=UTC), "2025-01-01T00:00:00+00:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (Send("step", {"a": 1}), {"node": "step", "args": {"a": 1}}),
        (Interrupt("why?", id="i1"), {"value": "why?", "id": "i1", "response_schema": None}),
        (Document("text", metadata={"a": 1}), {"id": None, "metadata": {"a": 1}}),
    ],
)
def test_what_has_a_meaning_in_json_gets_it(value: Any, expected: Any) -> None:
    found = plain(value, "It")
    assert json.loads(json.dumps(found)) == found
    assert found == expected or expected.items() <= found.items()


def test_messages_look_as_the_sdks_know_them_also_inside_models() -> None:
    found = plain(Lead(email="a@b.co", said=[HumanMessage("hi", id="m1")]), "It")
    (message,) = found["said"]
    assert (message["type"], message["content"], message["id"]) == ("human", "hi", "m1")


def test_a_chunk_is_shown_as_the_message_it_became() -> None:
    assert plain(AIMessageChunk(content="hi", id="m1"), "It")["type"] == "ai"
    assert plain(RemoveMessage("m1"), "It")["type"] == "remove"


@pytest.mark.parametrize("value", [object(), [object()], {"a": lambda: None}, 1 << 70, "\ud800", Point])
def test_what_is_no_json_is_refused_with_its_field(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^The field b of the state of g holds .*; keep text, numbers"):
        plain_fields({"a": 1, "b": value}, "the state of g")


def test_a_type_of_a_drop_in_plugin_is_refused_because_a_restart_would_lose_it() -> None:
    module = types.ModuleType("hubbub_plugin_things_1")
    sys.modules[module.__name__] = module
    try:
        exec("from dataclasses import dataclass\n@dataclass\nclass Thing:\n    a: int", module.__dict__)
        with pytest.raises(InvalidInput, match="a Thing, a type that a drop-in plugin declares"):
            plain(module.Thing(1), "It")
    finally:
        del sys.modules[module.__name__]
