"""What the store is asked for, and the bounds of it: LangGraph's rules for names, ours for sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from runtime.errors import InvalidInput, TooLarge
from runtime.types import JsonObject

MAX_VALUE = 256 << 10
"""Bytes of a value as JSON."""
MAX_KEY = 512
MAX_LABEL = 128
MAX_DEPTH = 16
MAX_FIELDS = 32
MAX_PATH = 256
MAX_PAGE = 1000
MAX_QUERY = 10_000
MAX_TTL = 100 * 365 * 24 * 60.0
"""Minutes."""

WHOLE = ("$",)
"""The fields of an item that names none: all of it."""

_RESERVED = "langgraph"
_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
"""Dates and objects of Python are refused: they would come back as text."""


@dataclass(frozen=True, slots=True)
class Put:
    """An item to store, or with the value None to delete.

    `index` names the paths that a query looks at, None the whole value, False nothing.  `ttl` is in
    minutes after the last write or read, None for ever.
    """

    namespace: tuple[str, ...]
    key: str
    value: JsonObject | None
    index: Sequence[str] | bool | None = None
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """Which items under a prefix: those that match `filter`, ranked by `query`, the latest first without.

    `refresh` lets the time of the items found begin anew.
    """

    prefix: tuple[str, ...] = ()
    query: str | None = None
    filter: JsonObject | None = None
    limit: int = 10
    offset: int = 0
    refresh: bool = True


@dataclass(frozen=True, slots=True)
class NamespaceQuery:
    """Which namespaces: in a prefix or suffix "*" is any label; what is deeper than `max_depth` is cut."""

    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


def check_put(put: Put) -> bytes | None:
    """Return the value as JSON, None for a deletion; InvalidInput or TooLarge when it cannot be stored."""
    check_labels(put.namespace)
    check_key(put.key)
    if put.value is None:
        return None
    if not put.namespace or put.namespace[0] == _RESERVED:
        raise InvalidInput(
            f'A namespace has at least one label, and the first is not "{_RESERVED}"; name one.'
        )
    if put.ttl is not None and not 0 < put.ttl <= MAX_TTL:
        raise InvalidInput("`ttl` is a number of minutes above 0; leave it out for an item that stays.")
    fields_of(put)
    return _json(put.value)


def fields_of(put: Put) -> tuple[str, ...] | None:
    """Return the paths whose texts a query looks at; None when no query may find the item."""
    if put.index is None:
        return WHOLE
    if put.index is False:
        return None
    if isinstance(put.index, bool | str):
        raise InvalidInput('`index` is a list of paths such as ["title"], or false; send one of these.')
    if len(put.index) > MAX_FIELDS or not all(map(_is_path, put.index)):
        raise InvalidInput(f"`index` names at most {MAX_FIELDS} paths of {MAX_PATH} characters; shorten it.")
    return tuple(put.index)


def check_labels(labels: Sequence[Any]) -> None:
    """Refuse labels that no namespace, prefix or suffix may have."""
    if len(labels) > MAX_DEPTH:
        raise InvalidInput(f"A namespace has at most {MAX_DEPTH} labels; shorten it.")
    for label in labels:
        if not isinstance(label, str) or not label or "." in label or "\0" in label:
            shown = repr(label)[:MAX_LABEL]
            raise InvalidInput(
                f"{shown} is no label of a namespace; use text that is not empty, without dots."
            )
        if len(label) > MAX_LABEL or not _sound(label):
            raise InvalidInput(f"A label of a namespace has at most {MAX_LABEL} characters; shorten it.")


def check_key(key: str) -> None:
    """Refuse a key that no item may have."""
    if not (0 < len(key) <= MAX_KEY and "\0" not in key and _sound(key)):
        raise InvalidInput(f"A key has 1 to {MAX_KEY} characters; choose another.")


def check_page(limit: int, offset: int) -> None:
    """Refuse a page that is too large or begins before the first."""
    if not 1 <= limit <= MAX_PAGE or not 0 <= offset < 1 << 62:
        raise InvalidInput(f"`limit` is 1 to {MAX_PAGE} and `offset` not negative; ask for another page.")


def _json(value: JsonObject) -> bytes:
    if not isinstance(value, dict):
        raise InvalidInput('A value is a JSON object; put what it is into one, as in {"text": …}.')
    try:
        data = orjson.dumps(value, option=_PLAIN)
    except (TypeError, RecursionError) as error:
        raise InvalidInput(
            f"The value is not JSON ({error}); store texts, numbers, lists and objects."
        ) from None
    if len(data) > MAX_VALUE:
        raise TooLarge(f"The value has {len(data)} bytes and may have {MAX_VALUE}; store less in one item.")
    if b"null" in data and _has_no_number(value):
        raise InvalidInput("The value holds NaN or an infinity, which JSON has not; store null or a text.")
    return data


def _has_no_number(value: Any) -> bool:
    """Whether a value holds a float that JSON would turn into null."""
    if isinstance(value, dict):
        return any(map(_has_no_number, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_no_number, value))
    return isinstance(value, float) and not math.isfinite(value)


def _is_path(path: Any) -> bool:
    return isinstance(path, str) and 0 < len(path) <= MAX_PATH and _sound(path)


def _sound(text: str) -> bool:
    """Whether text can be written as UTF-8: JSON may hold half of a surrogate pair."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
