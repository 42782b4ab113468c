"""step.json finds the value in what a model said, and says what does not fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub import InvalidInput
from hubbub.testing import FakeContext, StepTests
from plugins.json import MOST, Json, Reading

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class TestJson(StepTests):
    def make(self) -> Json:
        return Json()


def read(text: str, schema: Any = None) -> Any:
    return Json().run({}, Reading.model_validate({"text": text, "schema": schema}), FakeContext())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]\n", [1, 2]),
        ('Sure!\n```json\n{"a": 1}\n```\nAnything else?', {"a": 1}),
        ("```\n[true]\n```", [True]),
        ('The answer is {"a": {"b": [1]}}, I think.', {"a": {"b": [1]}}),
        ("Use [this]: [1]", [1]),
        ("3", 3),
        ('"text"', "text"),
    ],
)
def test_the_value_is_found(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize("text", ["", "no", "{'a': 1}", "[NaN]", '{"a": Infinity}', "[" * 100_000, "{" * 60])
def test_what_is_no_json_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="there is no JSON in the text; ask for JSON alone"):
        read(text)


def test_a_value_that_does_not_fit_is_told_with_its_place() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}},
    }
    assert read('{"a": {"b": 1}}', schema) == {"a": {"b": 1}}
    with pytest.raises(InvalidInput, match=r"a\.b does not fit the schema \('x' is not of type 'integer'\)"):
        read('{"a": {"b": "x"}}', schema)


def test_a_schema_that_is_none_is_told() -> None:
    with pytest.raises(InvalidInput, match="schema is no JSON Schema"):
        read("1", {"type": "whole"})


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than"):
        read("[" + " " * MOST + "]")


@given(VALUES, st.text(alphabet="abc .:\n", max_size=30))
def test_any_object_is_found_in_any_prose(value: Any, prose: str) -> None:
    import json

    whole = {"value": value}
    assert read(f"{prose}{json.dumps(whole)}{prose}") == whole
