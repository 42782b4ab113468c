"""The live event channel of a thread: numbers its events, buffers them, wakes whoever watches."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol

from runtime.errors import Conflict
from runtime.records import RunChange, Thread
from runtime.runs.replay import with_starts
from runtime.types import Event, JsonObject

RESERVE = 4096
"""How many seqs are promised to the journal at a time."""

_RESERVE_BELOW = RESERVE // 2
_BUFFER_EVENTS = 20_000
_BUFFER_BYTES = 4 << 20
_EVENT_OVERHEAD = 700
_seq = attrgetter("seq")


class ChannelJournal(Protocol):
    """The part of the journal that a channel needs."""

    def append(
        self, thread: str, events: Sequence[Event], *, change: RunChange | None = None
    ) -> asyncio.Future[str]:
        """Hand over one commit; the future gives "" or the word of a refusal."""

    def reserve(self, thread: str, reserved: int) -> asyncio.Future[str]:
        """Promise that no seq above `reserved` is shown."""

    def open_message(self, run: str, message: str, namespace: tuple[str, ...]) -> asyncio.Future[str]:
        """Take note that a message begins; the future is done when that is on disk."""

    async def open_messages(self, run: str) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Return the messages of a run that have begun and not ended."""

    async def events(self, thread: str, *, after: int, limit: int) -> Sequence[Event]:
        """Return durable events in order of their seq; none only when there are none."""


class Draft(NamedTuple):
    """An event that has no number yet."""

    method: str
    data: JsonObject
    namespace: tuple[str, ...] = ()


class Batch(NamedTuple):
    """Events in order; `gap` is the range of seqs whose live events are gone from the buffer."""

    events: list[Event]
    gap: tuple[int, int] | None = None


@dataclass(eq=False, slots=True)
class _Uncommitted:
    """What was handed to the journal: until it is on disk nothing from the seq `first` on is shown."""

    first: int


@dataclass(slots=True, weakref_slot=True)
class Channel:
    """All viewers of a thread share this buffer; each one only holds the seq it has read up to.

    Live events are shown at once, durable ones after their commit, both in the order of their seq: a
    live event waits for the durable ones before it.  A seq is used only below what the journal was
    promised (`RESERVE` ahead), so none repeats after a crash.
    """

    thread: str
    epoch: str
    journal: ChannelJournal
    newest_run_start: int = 0
    last_seq: int = 0
    """The highest seq that may be shown now."""
    position: int = 0
    reserved: int = 0
    _next: int = 1
    _floor: int = 0
    """The buffer holds every event above this seq."""
    _events: list[Event] = field(default_factory=list)
    bytes: int = 0
    """How much memory the buffer takes."""
    _uncommitted: list[_Uncommitted] = field(default_factory=list)
    _watchers: dict[object, Callable[[], None]] = field(default_factory=dict)
    _promised: asyncio.Future[str] | None = None
    _promising: int = 0
    """A reservation that is under way with another commit; nothing above `reserved` is shown by it."""

    @classmethod
    def of(
        cls,
        thread: Thread,
        epoch: str,
        journal: ChannelJournal,
        newest_run_start: int,
        whole_from: int | None = None,
    ) -> Channel:
        """Open the channel of a stored thread; its numbers go on above everything ever promised.

        Above `whole_from` there were no live events; without it there may have been up to the promise.
        """
        return cls(
            *(thread.id, epoch, journal, newest_run_start, thread.reserved, thread.position, thread.reserved),
            _next=thread.reserved + 1,
            _floor=thread.reserved if whole_from is None else whole_from,
        )

    # ----------------------------------------------------------------- viewers

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called whenever `last_seq` grows; returns the function that ends it."""
        token = object()
        self._watchers[token] = wake
        return lambda: self._watchers.pop(token, None) and None

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    async def read(self, after: int, limit: int = 512) -> Batch:
        """Return shown events with a seq above `after`.

        What the buffer no longer holds comes from the journal: durable events only, each message
        beginning with its message-start.  Reading from the buffer does not suspend.
        """
        if after >= self._floor:
            return Batch(self._shown(after, limit))
        floor = self._floor
        stored = list(await self.journal.events(self.thread, after=after, limit=limit))
        if stored and stored[-1].seq < floor:  # there may be more of them
            return Batch(with_starts(stored, after), (after + 1, stored[-1].seq))
        older = with_starts((event for event in stored if event.seq <= floor), after)
        # The buffer may have moved on meanwhile; then what follows is the next read's.
        newer = self._shown(floor, limit) if self._floor == floor else []
        return Batch(older + newer, (after + 1, floor))

    def _shown(self, after: int, limit: int) -> list[Event]:
        start = bisect_right(self._events, after, key=_seq)
        stop = bisect_right(self._events, self.last_seq, key=_seq)
        return self._events[start : min(stop, start + limit)]

    # ----------------------------------------------------------------- the sequencer

    def live(self, run: str, method: str, data: JsonObject, namespace: tuple[str, ...] = ()) -> int:
        """Number an event that is not stored, and show it as soon as it is its turn; returns its seq."""
        seq = self._take()
        self._hold(Event(self.thread, seq, method, data, run, _now(), namespace))
        if not self._uncommitted:
            self._show()
        return seq

    def open_message(self, run: str, message: str, namespace: tuple[str, ...] = ()) -> asyncio.Future[str]:
        """Take note that a message begins, so that a half of it can be taken back after a crash."""
        return self.journal.open_message(run, message, namespace)

    def show_after(self, written: asyncio.Future[str]) -> None:
        """Show nothing that comes from now on before something is on disk."""
        if not written.done():
            self._uncommitted.append(held := _Uncommitted(self._next))
            written.add_done_callback(lambda _: self._release(held))

    def durable(
        self, run: str, drafts: Sequence[Draft], change: RunChange | None = None, spare: int = 0
    ) -> asyncio.Future[None]:
        """Number events and hand them to the journal in one commit, with a change of the run's record.

        They are shown when they are on disk; the future is done then.  Conflict when a newer
        claimant has the run, StorageError when the journal cannot be written; nothing is shown then.
        `spare` leaves that many seqs free before them, for what a replay has to put there.
        """
        events = self.number(run, drafts, spare)
        committed = self.journal.append(self.thread, events, change=change)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Nobody has to wait for a step's own events; whoever does not must not get a warning for it.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        committed.add_done_callback(lambda outcome: self._settle(events, outcome, done))
        return done

    def number(self, run: str, drafts: Sequence[Draft], spare: int = 0) -> list[Event]:
        """Give durable events their seq and position and hold them back until `settle`."""
        self._next += spare
        events = []
        for draft in drafts:
            self.position += 1
            seq = self._take()
            events.append(
                Event(self.thread, seq, draft.method, draft.data, run, _now(), draft.namespace, self.position)
            )
        for event in events:
            self._hold(event)
        if events:
            self._uncommitted.append(_Uncommitted(events[0].seq))
        return events

    def settle(self, events: Sequence[Event], *, committed: bool, reserved: int = 0) -> None:
        """Show events that `number` held back, or drop them because they are not on disk.

        `reserved` is the reservation that was stored with them.
        """
        if reserved:
            self._promising = 0
            self.reserved = max(self.reserved, reserved if committed else 0)
        if events:
            self._uncommitted = [held for held in self._uncommitted if held.first != events[0].seq]
        if not committed and events:
            # The next event takes the first position that is free on disk.
            self.position = min(self.position, events[0].position - 1)
            dropped = {event.seq for event in events}
            self._events = [event for event in self._events if event.seq not in dropped]
            self.bytes -= sum(map(_size, events))
        self._show()

    def forget(self, run: str) -> None:
        """Drop what a run has sent that was never accepted; nobody has been shown any of it."""
        self._events = [event for event in self._events if event.run != run]

    def _release(self, held: _Uncommitted) -> None:
        self._uncommitted.remove(held)
        self._show()

    def promise(self) -> int:
        """Return the reservation to store with the next commit; `settle` is told when it is on disk."""
        self._promising = max(self.reserved, self._next + RESERVE)
        return self._promising

    def _settle(self, events: list[Event], outcome: asyncio.Future[str], done: asyncio.Future[None]) -> None:
        error = outcome.exception() if not outcome.cancelled() else asyncio.CancelledError()
        refusal = "" if error else outcome.result()
        if refusal:
            error = Conflict(
                f"Another worker has taken over the thread {self.thread} ({refusal}); this one stops."
            )
        self.settle(events, committed=error is None)
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def _take(self) -> int:
        seq = self._next
        self._next += 1
        self._promise_ahead()
        return seq

    def _promise_ahead(self) -> None:
        ahead = max(self.reserved, self._promising) - self._next
        if ahead >= _RESERVE_BELOW or self._promised is not None:
            return
        promised = self._next + RESERVE
        self._promised = self.journal.reserve(self.thread, promised)
        self._promised.add_done_callback(lambda done: self._kept(promised, done))

    def _kept(self, promised: int, done: asyncio.Future[str]) -> None:
        self._promised = None
        if not done.cancelled() and done.exception() is None:
            self.reserved = max(self.reserved, promised)
            self._promise_ahead()
            self._show()

    def _hold(self, event: Event) -> None:
        self._events.append(event)
        self.bytes += _size(event)

    def _show(self) -> None:
        limit = self._uncommitted[0].first - 1 if self._uncommitted else self._next - 1
        shown = min(limit, self.reserved)
        if shown <= self.last_seq:
            return
        # What is new stays: nobody has had the time to read it.
        if len(self._events) > _BUFFER_EVENTS or self.bytes > _BUFFER_BYTES:
            self._trim()
        self.last_seq = shown
        for wake in list(self._watchers.values()):
            wake()

    def _trim(self) -> None:
        """Forget the older half of what was shown."""
        shown = bisect_right(self._events, self.last_seq, key=_seq)
        events, bytes, gone = len(self._events) - _BUFFER_EVENTS // 2, self.bytes - _BUFFER_BYTES // 2, 0
        while gone < shown and (gone < events or bytes > 0):
            bytes -= _size(self._events[gone])
            gone += 1
        if gone:
            self._floor = self._events[gone - 1].seq
            del self._events[:gone]
            self.bytes = bytes + _BUFFER_BYTES // 2


def _size(event: Event) -> int:
    """Return the bytes of memory that an event takes: its texts are in its data and in its payload."""
    return 2 * len(event.payload) + _EVENT_OVERHEAD


def _now() -> int:
    return time.time_ns() // 1_000_000
