"""What a replay from the log adds, so that clients see whole messages: the starts, which are not stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runtime.types import Event

SPARE = 2
"""Seqs left free before the events that finish a block: one for each event a replay puts there."""

_HEAVY = frozenset({"args", "base64", "data", "output", "value"})
"""What a block that comes as a whole says only when it finishes."""


def with_starts(events: Iterable[Event], after: int) -> list[Event]:
    """Return stored events with the message-start and content-block-start of each finished block.

    They stand on the two seqs that were left free before the block's finish, so they are the same in
    every replay and never stand above what follows.  Their ids are those of the live ones, so that a
    client that saw these does not begin the message anew.  Nothing at or below `after` is added.
    """
    return [event for stored in events for event in _expand(stored) if event.seq > after]


def _expand(event: Event) -> Iterator[Event]:
    data = event.data
    if event.method == "messages" and data.get("event") == "content-block-finish" and "start" in data:
        about: dict[str, object] = {key: data[key] for key in ("message_id", "node") if key in data}
        if data["index"] == 0:
            start = {**about, **data["start"], "event": "message-start", "id": data["message_id"]}
            yield _live(event, event.seq - 2, data["at"][0], start)
        block = {**about, "event": "content-block-start", "index": data["index"]}
        yield _live(event, event.seq - 1, data["at"][1], {**block, "content": empty_block(data["content"])})
    yield event


def empty_block(content: dict[str, object]) -> dict[str, object]:
    """Return a content block as it stands before its first delta."""
    kind = content["type"]
    if kind == "text":
        return {"type": "text", "text": ""}
    if kind == "reasoning":
        return {"type": "reasoning", "reasoning": ""}
    if kind in ("tool_call", "invalid_tool_call"):
        return {**content, "type": "tool_call_chunk", "args": ""}
    return {key: value for key, value in content.items() if key not in _HEAVY}


def _live(event: Event, seq: int, origin: int, data: dict[str, object]) -> Event:
    about = (event.method, data, event.run, event.timestamp, event.namespace)
    return Event(event.thread, seq, *about, origin=origin)
