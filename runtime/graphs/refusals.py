"""Why a value is refused, in words that analysts know, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.graphs.findings import near

if TYPE_CHECKING:
    from pydantic import ValidationError


class Refusal(NamedTuple):
    """What is wrong with a value, to be put after its name as it is, and the remedy."""

    what: str
    help: str


_TYPE = re.compile(r"function-|(str|int|float|bool|none|list\[.*\]|dict\[.*\]|[A-Z]\w*)$")
"""The parts of a place that say which type was tried, and not where."""
_KINDS = {
    "int": ("is no whole number", "write a whole number without quotes, for example 5"),
    "float": ("is no number", "write a number without quotes, for example 0.5"),
    "decimal": ("is no number", "write a number without quotes, for example 0.5"),
    "bool": ("is neither true nor false", "write true or false without quotes"),
    "string": ("is no text", 'write text in quotes, for example "text"'),
    "list": ("is no list", 'write a list, for example ["a", "b"]'),
    "tuple": ("is no list", 'write a list, for example ["a", "b"]'),
    "dict": ("is no table", 'write a table, for example { name = "text" }'),
    "model": ("is no table", 'write a table, for example { name = "text" }'),
}
_BOUNDS = {
    "greater_than_equal": ("is too small", "write at least {ge:g}"),
    "greater_than": ("is too small", "write more than {gt:g}"),
    "less_than_equal": ("is too large", "write at most {le:g}"),
    "less_than": ("is too large", "write less than {lt:g}"),
    "string_too_short": ("is too short", "write at least {min_length} characters"),
    "string_too_long": ("is too long", "write at most {max_length} characters"),
    "too_short": ("has too few items", "write at least {min_length}"),
    "too_long": ("has too many items", "write at most {max_length}"),
    "string_pattern_mismatch": ("does not match its pattern", "write what matches {pattern}"),
}


def refusal(error: ValidationError) -> Refusal:
    """Return the first thing that pydantic says against a value; the value itself is not repeated.

    Where it may be one of several types, it is what is said of the one that fits best.
    """
    first: Mapping[str, Any] = max(error.errors(include_url=False), key=lambda each: len(each["loc"]))
    kind, context = str(first["type"]), first.get("ctx", {})
    inside = "".join(f".{part}" for part in first["loc"] if not _TYPE.match(str(part)))
    what, help = _said(kind, context, first)
    return Refusal(f"{inside} {what}", help)


def _said(kind: str, context: Mapping[str, Any], first: Mapping[str, Any]) -> tuple[str, str]:
    if kind in _BOUNDS:
        what, help = _BOUNDS[kind]
        return what, help.format(**context)
    if kind == "missing":
        return "is missing", "add it"
    if kind == "extra_forbidden":
        return "is not known", "take it out"
    if kind in ("literal_error", "enum"):
        names = [
            name.strip().strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(",")
        ]
        return "is not one of its values", near(str(first["input"]), names)
    if (base := kind.partition("_")[0]) in _KINDS:
        return _KINDS[base]
    words = str(first["msg"])
    return f"is wrong ({words[:1].lower()}{words[1:]})", "write another value"
