"""Input is checked against what the file declares, with one sentence for the first mistake."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import InvalidInput
from runtime.graphs.fields import Field, checked_input, schema_of

FIELDS = {
    "topic": Field("topic", "text", min=1, max=10),
    "tone": Field("tone", "text", one_of=("friendly", "formal"), default="friendly"),
    "count": Field("count", "int", optional=True, min=1, max=9),
    "month": Field("month", "text", optional=True, match="^(?:20[0-9][0-9])$"),
    "lead": Field(
        "lead",
        "object",
        optional=True,
        fields={"email": Field("email", "text"), "size": Field("size", "int", True)},
    ),
}


def test_defaults_fill_what_is_not_given() -> None:
    given = checked_input("g", FIELDS, {"topic": "x"})
    assert given == {"topic": "x", "tone": "friendly", "count": None, "month": None, "lead": None}


def test_whole_numbers_are_numbers_and_what_is_given_inside_objects_is_kept() -> None:
    assert checked_input("g", {"n": Field("n", "number")}, {"n": 3}) == {"n": 3.0}
    lead = {"email": "a", "more": [1]}
    assert checked_input("g", FIELDS, {"topic": "x", "lead": lead})["lead"] == lead


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "needs the input topic"),
        ({"topic": None}, "needs the input topic"),
        ({"topic": 5}, "The input topic is wrong"),
        ({"topic": ""}, "at least 1 character"),
        ({"topic": "x" * 11}, "at most 10 characters"),
        ({"topic": "x", "tone": "rude"}, "'friendly' or 'formal'"),
        ({"topic": "x", "count": True}, "The input count is wrong"),
        ({"topic": "x", "count": 1.5}, "The input count is wrong"),
        ({"topic": "x", "count": 10}, "less than or equal to 9"),
        ({"topic": "x", "month": "2026x"}, "The input month is wrong"),
        ({"topic": "x", "lead": {"size": 1}}, "The input lead.email is wrong"),
        ({"topic": "x", "lead": []}, "The input lead is wrong"),
        ({"topics": "x"}, "did you mean topic?"),
    ],
)
def test_a_wrong_input_is_one_sentence_with_its_place(given: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_input("g", FIELDS, given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_schema_says_what_is_needed() -> None:
    schema = schema_of("input", FIELDS)
    assert schema["required"] == ["topic"]
    assert schema["properties"]["tone"]["enum"] == ["friendly", "formal"]
    assert schema["additionalProperties"] is False


def test_fields_may_be_called_like_methods_of_models() -> None:
    fields = {
        "schema": Field("schema", "text"),
        "copy": Field("copy", "text"),
        "model_dump": Field("model_dump", "int"),
    }
    assert checked_input("g", fields, {"schema": "a", "copy": "b", "model_dump": 1})["copy"] == "b"
    assert set(schema_of("input", fields)["properties"]) == set(fields)
