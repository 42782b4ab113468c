"""From the bytes of a request to a checked value; every refusal is one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
import orjson

from runtime.errors import InvalidInput

MAX_DEPTH = 64
"""Objects and lists inside each other; deeper JSON is refused."""

Given = TypeVar("Given", bound=msgspec.Struct)

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>.*?)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_SHOWN = 60


def decode(raw: bytes) -> Any:
    """Return the JSON value of a body, None for an empty one; InvalidInput for bad or too deep JSON."""
    if not raw.strip():
        return None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON ({error}); send a JSON object.") from None
    # As many brackets as that are rare, so the walk is paid only by those who may be too deep.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise InvalidInput(f"The JSON is nested more than {MAX_DEPTH} levels deep; flatten it.")
    return value


def decode_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; an empty body is an empty object."""
    value = decode(raw)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"The body is {_kind(value)}; send a JSON object.")
    return value


def checked(value: Mapping[str, Any], shape: type[Given], *, texts: bool = False) -> Given:
    """Return `value` as a `shape`; InvalidInput names the first field that is wrong.

    `texts` says that every value came as text (a query string), so numbers may be written as such.
    """
    try:
        return msgspec.convert(value, shape, strict=not texts)
    except msgspec.ValidationError as error:
        raise InvalidInput(_sentence(str(error), shape)) from None


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    """Return the objects and lists inside one."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]


def _sentence(reason: str, shape: type[msgspec.Struct]) -> str:
    place = _PLACE.match(reason)
    assert place
    what, where = place["what"], place["where"] or ""
    if unknown := _UNKNOWN.match(what):
        name = unknown["name"]
        near = [] if where else get_close_matches(name, shape.__struct_encode_fields__, 1)
        hint = f"did you mean {near[0]}?" if near else "leave it out."
        return f"There is no field {_short(name)}{f' in {where}' if where else ''} here; {hint}"
    if missing := _MISSING.match(what):
        return f"The field {missing['name']}{f' of {where}' if where else ''} is missing; add it."
    wrong = what.replace("`", "")
    wrong = wrong[:1].lower() + wrong[1:]
    return f"The field {where or 'at the top'} is wrong ({wrong}); mend it and send it again."


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}.get(
        type(value), "something else"
    )
