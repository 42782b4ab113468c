"""step.json: reads JSON out of a text, such as a model's answer, and holds it against a schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import JSONDecoder
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, hookimpl

MOST = 1_000_000
"""Characters of a text that is looked through."""

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL)
_BEGINS = re.compile(r"[{\[]")
_TRIES = 50
"""Places in one text where a value may begin."""


class Reading(BaseModel):
    """The text, and the JSON Schema of what must be in it."""

    text: str = Field(description="a text that is JSON, or has JSON in it")
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema", description="a JSON Schema")


class Json:
    """Takes the whole text, else a fenced block, else the first object or list that is JSON."""

    name = "json"
    Params = Reading
    examples = (
        {"text": 'Here it is:\n```json\n{"a": 1}\n```'},
        {"text": "[1, 2]", "schema": {"type": "array"}},
    )

    def run(self, state: Mapping[str, Any], params: Reading, ctx: Context) -> Any:
        """Return the value; InvalidInput when there is none, or another one than the schema asks for."""
        if len(params.text) > MOST:
            raise InvalidInput(f"text is longer than {MOST:,} characters; cut it before")
        found = next(_values(params.text), _NONE)
        if found is _NONE:
            raise InvalidInput(
                "there is no JSON in the text; ask for JSON alone, or give the step an on_error"
            )
        if params.json_schema is not None:
            _check(found, params.json_schema)
        return found


_NONE = object()


def _values(text: str) -> Iterator[Any]:
    """Yield what can be read, the likeliest first; numbers that JSON does not have are no JSON."""
    decoder = JSONDecoder(parse_constant=_refuse)
    for whole in (text, *_FENCED.findall(text)):
        try:
            yield decoder.decode(whole.strip())
        except (ValueError, RecursionError):
            continue
    for count, begins in enumerate(_BEGINS.finditer(text)):
        if count == _TRIES:
            return
        try:
            yield decoder.raw_decode(text, begins.start())[0]
        except (ValueError, RecursionError):
            continue


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _check(value: Any, schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidInput(f"schema is no JSON Schema ({error.message[:200]}); mend it") from None
    for wrong in Draft202012Validator(schema).iter_errors(value):
        place = wrong.json_path.removeprefix("$").lstrip(".") or "the value"
        raise InvalidInput(f"{place} does not fit the schema ({wrong.message[:200]}); ask again, or mend it")


@hookimpl
def register_steps() -> list[Json]:
    """Supply `step.json`."""
    return [Json()]
