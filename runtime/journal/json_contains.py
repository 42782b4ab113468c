"""Whether JSON holds at least some other JSON: asked of stored texts in SQL, and of values."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import orjson

from runtime.errors import InvalidInput
from runtime.types import JsonObject

_MOST, _DEEPEST = 200, 6
_EACH = "EXISTS (SELECT 1 FROM json_each({}) AS {} WHERE {})"
_INSIDE = "CASE {name}.type WHEN '{type}' THEN {name}.value END"
"""Text that is no JSON is an error to `json_each`, and SQLite may ask in any order."""

_TOO_LARGE = 1 << 63
"""From here on SQLite has no whole numbers."""


class Condition(NamedTuple):
    """An SQL expression and its parameters."""

    sql: str
    parameters: list[object]


def contains(document: str, wanted: JsonObject) -> Condition:
    """Ask whether the JSON text `document` (an SQL expression) holds `wanted`.

    As PostgreSQL's `@>`: an object holds another one's members and maybe more, a list holds an equal or
    larger element for each of the other one's, in any order.  InvalidInput when SQLite could not ask that.
    """
    if _depth(wanted) > _DEEPEST:
        raise InvalidInput(f"A filter is at most {_DEEPEST} levels deep; look for something further out.")
    return _object(document, wanted, _Names())


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def holds(value: Any, wanted: Any) -> bool:
    """Ask the same of a value."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            key in value and holds(value[key], inner) for key, inner in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(holds(each, inner) for each in value) for inner in wanted)
    # To Python True is 1, to JSON it is not.
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


class _Names:
    """Names for the elements that are looked at."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        number = next(self._numbers)
        if number > _MOST:
            raise InvalidInput(f"A filter has at most {_MOST} values; look for fewer.")
        return f"element_{number}"


def _object(document: str, wanted: JsonObject, names: _Names) -> Condition:
    sql, parameters = list[str](), list[object]()
    for key, value in wanted.items():
        name = names.new()
        inside = _value(name, value, names)
        member = f"{name}.key = ? AND {inside.sql}"
        sql.append(_EACH.format(document, name, member))
        parameters += [key, *inside.parameters]
    return Condition(" AND ".join(sql) or "1", parameters)


def _value(name: str, wanted: Any, names: _Names) -> Condition:
    """Ask of one element, which SQLite gives as `type` and `value`."""
    if isinstance(wanted, dict):
        inside = _object(_INSIDE.format(name=name, type="object"), wanted, names)
        return Condition(f"{name}.type = 'object' AND {inside.sql}", inside.parameters)
    if isinstance(wanted, list):
        return _list(name, wanted, names)
    if wanted is None or isinstance(wanted, bool):
        return Condition(f"{name}.type = ?", [orjson.dumps(wanted).decode()])
    if isinstance(wanted, str):
        return Condition(f"{name}.type = 'text' AND {name}.value = ?", [wanted])
    number = wanted if -_TOO_LARGE <= wanted < _TOO_LARGE else float(wanted)
    return Condition(f"{name}.type IN ('integer', 'real') AND {name}.value = ?", [number])


def _list(name: str, wanted: list[Any], names: _Names) -> Condition:
    sql, parameters = [f"{name}.type = 'array'"], list[object]()
    for value in wanted:
        element = names.new()
        inside = _value(element, value, names)
        sql.append(_EACH.format(_INSIDE.format(name=name, type="array"), element, inside.sql))
        parameters += inside.parameters
    return Condition(" AND ".join(sql), parameters)
