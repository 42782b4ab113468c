"""What a tenant may send of its users and items, and the bounds of it; every refusal names the row."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard, get_args

import orjson

from runtime.errors import InvalidInput, TooLarge
from runtime.types import CatalogueItem, Interaction, InteractionKind, JsonObject

MAX_ROWS = 10_000
MAX_ID = 256
MAX_TITLE = 1000
MAX_TAGS = 50
MAX_ITEM = 16 * 1024
"""Bytes of one item as JSON."""
_AHEAD = 86_400.0
"""Seconds that a client's clock may be ahead of ours."""
_MILLISECONDS = 1e11
"""A number of seconds that large would be in the year 5138."""
_KINDS: tuple[str, ...] = get_args(InteractionKind)
_EVENT = ("user", "item", "kind", "at", "value", "id", "recommendation")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class KeyedInteraction:
    """An event with the key under which it counts once, however often it is sent."""

    key: str
    event: Interaction


def read_events(rows: Sequence[Any], now: float) -> list[KeyedInteraction]:
    """Return the events that were sent; InvalidInput names the first row that is none."""
    _check_count(rows, "events")
    return [_event(row, f"events[{number}]", now) for number, row in enumerate(rows)]


def read_items(rows: Sequence[Any]) -> list[CatalogueItem]:
    """Return the items that were sent; InvalidInput names the first row that is none, or came before."""
    _check_count(rows, "items")
    found: dict[str, CatalogueItem] = {}
    for number, row in enumerate(rows):
        item = _item(row, f"items[{number}]")
        if item.id in found:
            first = list(found).index(item.id)
            raise InvalidInput(f"items[{number}] has the id of items[{first}]; send each item once.")
        found[item.id] = item
    return list(found.values())


def check_user(user: str) -> str:
    """Return the id of a user; InvalidInput when it can be none."""
    return _id({"user": user}, "user", "The query")


def item_of(fields: JsonObject) -> CatalogueItem:
    """Return a stored item."""
    return CatalogueItem(fields["id"], fields.get("title", ""), tuple(fields.get("tags", ())), fields)


def _event(row: Any, where: str, now: float) -> KeyedInteraction:
    _check_object(row, where)
    if strange := [name for name in row if name not in _EVENT]:
        raise InvalidInput(f"{where} has a field {strange[0][:_SHOWN]}; an event has {', '.join(_EVENT)}.")
    if row.get("kind") not in _KINDS:
        raise InvalidInput(f"{where}: kind is {_shown(row.get('kind'))}; send one of {', '.join(_KINDS)}.")
    event = Interaction(
        user=_id(row, "user", where),
        item=_id(row, "item", where),
        kind=row["kind"],
        at=_moment(row.get("at"), where, now),
        value=_number(row.get("value"), where),
        recommendation=_id(row, "recommendation", where) if row.get("recommendation") is not None else "",
    )
    if row.get("id") is not None:
        return KeyedInteraction(f"id:{_id(row, 'id', where)}", event)
    same = orjson.dumps([event.user, event.item, event.kind, event.at])
    return KeyedInteraction(hashlib.sha256(same).hexdigest()[:32], event)


def _item(row: Any, where: str) -> CatalogueItem:
    _check_object(row, where)
    fields = {**row, "id": _id(row, "id", where)}
    title, tags = row.get("title", ""), row.get("tags", [])
    if not isinstance(title, str) or len(title) > MAX_TITLE:
        raise InvalidInput(f"{where}: title is text of at most {MAX_TITLE} characters; mend it.")
    if not isinstance(tags, list) or len(tags) > MAX_TAGS:
        raise InvalidInput(f"{where}: tags is a list of at most {MAX_TAGS} texts; mend it.")
    fields["tags"] = [_id({"tags": tag}, "tags", where) for tag in tags]
    if not isinstance(row.get("deleted", False), bool):
        raise InvalidInput(f"{where}: deleted is {_shown(row['deleted'])}; it is true or false, mend it.")
    if _size(row, where) > MAX_ITEM:
        raise TooLarge(f"{where} has over {MAX_ITEM // 1024} KiB; keep long texts elsewhere.")
    return item_of(fields)


def _size(row: Any, where: str) -> int:
    try:
        return len(orjson.dumps(row))
    except orjson.JSONEncodeError:
        raise InvalidInput(
            f"{where} has a whole number of over 64 bits or text that is not Unicode; mend it."
        ) from None


def _id(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # numbers are ids in many a database, and users are asked for by text
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID or not _one_line(value):
        raise InvalidInput(
            f"{where}: {name} is {_shown(value)}; it is text of 1 to {MAX_ID} characters, mend it."
        )
    return value


def _one_line(text: str) -> bool:
    return not any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in text)


def _moment(value: Any, where: str, now: float) -> float:
    at = value
    if isinstance(value, str):
        try:
            at = _unix(value)
        except ValueError:
            at = None
    if not _is_number(at) or at < 0:
        raise InvalidInput(
            f"{where}: at is {_shown(value)}; it is Unix seconds or ISO 8601 text since 1970, send that."
        )
    if at >= _MILLISECONDS:
        raise InvalidInput(f"{where}: at is {_shown(value)}, which looks like milliseconds; send seconds.")
    if at > now + _AHEAD:
        raise InvalidInput(f"{where}: at is more than a day in the future; send what has happened.")
    return float(at)


def _is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is one that SQLite can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


def _unix(text: str) -> float:
    """Return Unix seconds; a time without a zone is of UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if not _is_number(value):
        raise InvalidInput(f"{where}: value is {_shown(value)}; it is a finite number, or left out.")
    return float(value)


def _check_count(rows: Sequence[Any], name: str) -> None:
    if len(rows) > MAX_ROWS:
        raise TooLarge(f"There are {len(rows)} {name}; send at most {MAX_ROWS:,} at once.")


def _check_object(row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise InvalidInput(f"{where} is no JSON object; send one.")


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    text = value if isinstance(value, str) else json.dumps(value)  # orjson has no endless or long numbers
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield them in lists of so many."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
