"""Joins the text deltas of a block that come close after each other, the same way in every replay.

What is joined depends only on the events themselves: on their order and their timestamps.  So two
viewers, and one viewer before and after a reconnect, get the same text under the same event id.
"""

from __future__ import annotations

from collections.abc import Iterator

from runtime.types import Event, JsonObject

WINDOW = 15
"""Milliseconds that a delta waits for others at most."""

_LONGEST = 16 * 1024
"""Characters of the longest joined text."""

_Block = tuple[str, tuple[str, ...], str, int]


class Merger:
    """A delta that follows another one of its block within WINDOW waits for more, at most for WINDOW."""

    __slots__ = ("_block", "_held", "_last", "_length", "merged")

    def __init__(self) -> None:
        self.merged = 0
        self._held: list[Event] = []
        self._length = 0
        self._block: _Block | None = None
        self._last = 0

    @property
    def until(self) -> int | None:
        """When the held deltas must leave, in Unix milliseconds; None when none is held."""
        return self._held[0].timestamp + WINDOW if self._held else None

    @property
    def before(self) -> int | None:
        """The seq before the held deltas; None when none is held."""
        return self._held[0].seq - 1 if self._held else None

    def push(self, event: Event) -> Iterator[Event]:
        """Take the next event of the thread; yields those that may leave, in order."""
        block = _block_of(event)
        if block is None or block != self._block:
            yield from self.flush()
            self._block, self._last = block, event.timestamp
            yield event
            return
        quiet, self._last = event.timestamp - self._last >= WINDOW, event.timestamp
        if self._held and (event.timestamp - self._held[0].timestamp >= WINDOW or self._length >= _LONGEST):
            yield from self.flush()
        if quiet:
            yield event
            return
        self._held.append(event)
        self._length += len(event.data["delta"]["text"])

    def see(self, event: Event) -> None:
        """Take note of an event that the viewer has already: the next one may belong to it."""
        self._block, self._last = _block_of(event), event.timestamp

    def flush(self) -> Iterator[Event]:
        """Yield what is held as one event."""
        if self._held:
            yield self._held[0] if len(self._held) == 1 else self._joined()
            self._held, self._length = [], 0

    def forget(self) -> int:
        """Begin anew somewhere else; returns how many held deltas that gives up."""
        given_up = len(self._held)
        self._held, self._length, self._block = [], 0, None
        return given_up

    def _joined(self) -> Event:
        last = self._held[-1]
        self.merged += len(self._held) - 1
        text = "".join(event.data["delta"]["text"] for event in self._held)
        data: JsonObject = {**last.data, "delta": {"type": "text-delta", "text": text}}
        return Event(last.thread, last.seq, last.method, data, last.run, last.timestamp, last.namespace)


def _block_of(event: Event) -> _Block | None:
    """Return the block that an event adds text to."""
    data = event.data
    if event.method != "messages" or data.get("event") != "content-block-delta":
        return None
    if data["delta"]["type"] != "text-delta":
        return None
    return event.run, event.namespace, data["message_id"], data["index"]
