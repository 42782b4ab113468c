"""What is written to a connection: single messages, and events that travel together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hub.protocol import MAX_FRAME
from runtime.types import Event


class Frame(NamedTuple):
    """One message to write; `event` is the one that it carries, if it does."""

    data: bytes
    event: Event | None = None


def messages(frames: Sequence[Frame], *, coalesce: bool) -> Iterator[bytes]:
    """Yield frames as messages; with `coalesce` events that follow each other are one JSON array."""
    together: list[bytes] = []
    size = 0
    for frame in frames:
        if together and (frame.event is None or size + len(frame.data) + 1 > MAX_FRAME - 1):
            yield _array(together)
            together, size = [], 0
        if frame.event is None or not coalesce:
            yield frame.data
        else:
            together.append(frame.data)
            size += len(frame.data) + 1
    if together:
        yield _array(together)


def _array(events: Sequence[bytes]) -> bytes:
    return b"[%b]" % b",".join(events) if len(events) > 1 else events[0]
