"""A namespace is allowed where LangGraph allows it, and within our bounds."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import InvalidNamespaceError
from langgraph.store.memory import InMemoryStore

from runtime.errors import InvalidInput
from runtime.store.requests import MAX_DEPTH, MAX_LABEL, Put, check_put

LABELS = st.text(max_size=4) | st.sampled_from(["langgraph", "", "a.b", "\0"])


@given(
    st.lists(LABELS, max_size=4).map(tuple),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)
def test_what_langgraph_refuses_is_refused_and_nothing_else(namespace: Any, value: Any) -> None:
    try:
        InMemoryStore().put(namespace, "k", value)
        allowed = True
    except InvalidNamespaceError:
        allowed = False
    try:
        check_put(Put(namespace, "k", value))
        ours = True
    except InvalidInput:
        ours = False
    assert ours == allowed


def test_the_bounds_themselves_are_allowed() -> None:
    assert check_put(Put(("a" * MAX_LABEL,) * MAX_DEPTH, "k", {"a": [None, 1.5]})) == b'{"a":[null,1.5]}'
