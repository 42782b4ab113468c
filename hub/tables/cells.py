"""From the text of a cell to a value of the type that a graph's input says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

NOTHING: Final = object()
"""What an empty cell gives: the input is left out, so that its default holds."""

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class Kind:
    """The JSON types that an input may have, and whether it must be there."""

    types: frozenset[str]
    required: bool = False

    def read(self, text: str, *, comma: bool = False) -> Any:
        """Return the value of a cell; text that is no such value stays, for the graph to refuse it.

        With a `comma` that is what stands before the decimals of a number.
        """
        if not text.strip() and not (self.required and "string" in self.types):
            return NOTHING
        if not self.types:
            return guessed(text)
        word = text.strip()
        for type, read in _READERS.items():
            if type in self.types:
                value = read(word.replace(",", ".", 1) if comma and type in ("integer", "number") else word)
                if value is not NOTHING:
                    return value
        return text


def kind_of(schema: Mapping[str, Any], *, required: bool) -> Kind:
    """Return what a JSON Schema allows; no types for one that says nothing of them."""
    return Kind(frozenset(_types(schema)) - {"null"}, required)


def guessed(text: str) -> Any:
    """Return a number for text that is written like one, and nothing else: "007" stays text."""
    return orjson.loads(text) if _NUMBER.fullmatch(text) else text


def _types(schema: Mapping[str, Any]) -> set[str]:
    found = schema.get("type", ())
    types = {found} if isinstance(found, str) else set(found)
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        types |= _types(each)
    return types


def _integer(word: str) -> Any:
    try:
        value = int(word)
    except ValueError:
        return NOTHING
    return value if -_LARGEST <= value < _LARGEST else NOTHING


def _number(word: str) -> Any:
    try:
        value = float(word)
    except ValueError:
        return NOTHING
    return value if math.isfinite(value) else NOTHING


def _boolean(word: str) -> Any:
    return _WORDS.get(word.lower(), NOTHING)


def _structure(kind: type) -> Any:
    def read(word: str) -> Any:
        try:
            value = orjson.loads(word)
        except orjson.JSONDecodeError:
            return NOTHING
        return value if isinstance(value, kind) else NOTHING

    return read


_READERS = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "object": _structure(dict),
    "array": _structure(list),
}
