"""Conditions are checked before they run, and never raise when they do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.graphs.conditions import ConditionMistake, compile_condition
from runtime.graphs.fields import Field

FIELDS = {
    name: Field(name, type, optional)
    for name, type, optional in (
        ("score", "number", False),
        ("count", "int", False),
        ("maybe", "number", True),
        ("hits", "list", False),
        ("lead", "object", False),
        ("answer", "text", False),
        ("done", "bool", False),
    )
}
VALUES: dict[str, Any] = {
    "score": 0.9,
    "count": 2,
    "maybe": None,
    "hits": [{"score": 2}],
    "lead": {"country": "US", "size": 5},
    "answer": "abc",
    "done": True,
}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("score > 1", False),
        ("score < 1", True),
        ("count < 2.5", True),
        ("score <= count", True),
        ("count == 2.0", True),
        ("has(state.maybe)", False),
        ("!has(state.maybe)", True),
        ("maybe == null", True),
        ("maybe > 1", False),
        ("size(hits) == 1", True),
        ("hits.exists(hit, hit.score > 1)", True),
        ("lead.country in ['US', 'CA'] && done", True),
        ("lead.size > 4.5", True),
        ("lead.nothing == 'x'", False),
        ("answer.contains('b') || answer == 'and'", True),
        ("count * 2 > 3", True),
    ],
)
def test_a_condition_is_true_or_false(text: str, outcome: bool) -> None:
    assert compile_condition(text, FIELDS).holds(VALUES)[0] is outcome


def test_a_missing_value_makes_it_false_and_says_why() -> None:
    holds, why = compile_condition("maybe > 1", FIELDS).holds(VALUES)
    assert (holds, bool(why)) == (False, True)
    assert compile_condition("score > 1", FIELDS).holds(VALUES) == (False, "")


def test_a_pass_inside_a_pass_is_refused() -> None:
    with pytest.raises(ConditionMistake, match="at most once"):
        compile_condition("hits.all(a, hits.all(b, a == b))", FIELDS)


def test_words_inside_quotes_are_no_habits() -> None:
    assert compile_condition("answer == 'this and that = or'", FIELDS).holds(VALUES) == (False, "")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="score count()[]{}.,'\"&|=<>!+-*/0123456789 hits maybe ", max_size=60))
def test_any_text_is_a_condition_or_a_mistake(text: str) -> None:
    try:
        condition = compile_condition(text, FIELDS)
    except ConditionMistake:
        return
    assert condition.holds(VALUES)[0] in (True, False)
