"""Which items a filter lets through, and which namespaces a pattern: LangGraph's rules, on JSON values."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeGuard

from runtime.errors import InvalidInput
from runtime.store.requests import NamespaceQuery
from runtime.types import JsonObject

_MAX_CONDITIONS = 64

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_ANY = "*"
_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]*')


def check_filter(filter: JsonObject | None) -> None:
    """Refuse a filter that could never be understood; InvalidInput."""
    if len(filter or ()) > _MAX_CONDITIONS:
        raise InvalidInput(f"A filter has at most {_MAX_CONDITIONS} conditions; leave some out.")
    for wanted in (filter or {}).values():
        _check(wanted)


def matches(value: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """Whether every condition of a checked filter holds for a value; a missing field is null."""
    return all(_holds(value.get(name), wanted) for name, wanted in filter.items())


def equalities(filter: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Return fields with texts and numbers that every value has which the filter lets through.

    Names and texts that JSON writes with a backslash are left out, and numbers beyond 64 bits: where
    they are compared as they are written, they could be missed.
    """
    given = {name: w.get("$eq") if isinstance(w, dict) else w for name, w in filter.items()}
    return {name: value for name, value in given.items() if _PLAIN.fullmatch(name) and _comparable(value)}


def choose_namespaces(found: Iterable[tuple[str, ...]], query: NamespaceQuery) -> list[tuple[str, ...]]:
    """Return the page of namespaces that match, each once, in order."""
    cut = {
        namespace[: query.max_depth]
        for namespace in found
        if _begins(namespace, query.prefix) and _begins(namespace[::-1], query.suffix[::-1])
    }
    return sorted(cut)[query.offset : query.offset + query.limit]


def _begins(namespace: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(namespace) >= len(pattern) and all(
        wanted in (_ANY, label) for label, wanted in zip(namespace, pattern, strict=False)
    )


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list | tuple):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_holds, value, wanted))
    if not isinstance(wanted, dict):
        return _same(value, wanted)
    if any(name.startswith("$") for name in wanted):
        return all(_compares(value, name, operand) for name, operand in wanted.items())
    return isinstance(value, dict) and matches(value, wanted)


def _compares(value: Any, name: str, operand: Any) -> bool:
    if name == "$eq":
        return _same(value, operand)
    if name == "$ne":
        return not _same(value, operand)
    comparable = (_number(value) and _number(operand)) or (
        isinstance(value, str) and isinstance(operand, str)
    )
    return comparable and _ORDER[name](value, operand)


def _same(value: Any, wanted: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_same(value[key], wanted[key]) for key in value)
    if isinstance(value, list) and isinstance(wanted, list | tuple):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    return bool(value == wanted)


def _comparable(value: Any) -> TypeGuard[str | int | float]:
    if isinstance(value, str):
        return _PLAIN.fullmatch(value) is not None
    return _number(value) and abs(value) < 1 << 63


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(wanted: Any) -> None:
    if isinstance(wanted, list | tuple):
        for each in wanted:
            _check(each)
        return
    if not isinstance(wanted, dict):
        return
    asks = [name for name in wanted if name.startswith("$")]
    if asks and (unknown := [name for name in wanted if name not in ("$eq", "$ne", *_ORDER)]):
        known = ", ".join(("$eq", "$ne", *_ORDER))
        raise InvalidInput(f"The filter does not know {unknown[0][:64]}; use {known}.")
    if not asks:
        for each in wanted.values():
            _check(each)
