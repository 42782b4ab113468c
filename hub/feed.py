"""One thread as one socket sees it: what was sent, what comes next, what a slow reader is spared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.merging import Merger
from hub.protocol import event_prefix
from hub.subscriptions import Subscription, first_time
from runtime.runs.replay import with_starts
from runtime.types import Event

Gap = tuple[int, int]


class Feed:
    """All subscriptions of a socket to a thread as one stream, ordered by seq, each event once.

    A subscription that comes later and begins earlier makes the feed go back: it gets all its events,
    also those that were sent for another one, because clients filter for each subscription by itself.
    The others go on where the new one has caught up.
    """

    __slots__ = (
        *("_cursor", "_cut", "_fresh", "_kept", "_merger", "_skip", "_started"),
        *(
            "applied",
            "dropped",
            "durable_only",
            "ends_from",
            "gathered_since",
            "prefix",
            "ready_at",
            "replay",
            "resumed",
            "subscriptions",
            "thread",
        ),
    )

    def __init__(self, thread: str, *, many: bool) -> None:
        self.thread, self.prefix = thread, event_prefix(thread, many=many)
        self.subscriptions: list[Subscription] = []
        self.applied = 0
        """The highest seq of an event that was handed out."""
        self.replay = 0
        """What is not above this was there before the subscription: nobody is late with it."""
        self.ready_at: float | None = None
        """When the replay may begin, while further subscriptions are awaited."""
        self.gathered_since = 0.0
        self.ends_from = 0.0
        """Before this no run's end is sent: clients that subscribe after it read nothing of that run."""
        self.resumed = False
        """Whether a client goes on where it was: then it wants to know what it cannot get."""
        self.durable_only = True
        """Whether only events of the log can be wanted."""
        self.dropped = 0
        self._kept: frozenset[int] = frozenset()
        self._cursor = self._skip = 0
        self._fresh = True
        self._merger = Merger()
        self._started: set[str] = set()
        self._cut: set[str] = set()

    def counted(self) -> tuple[int, int]:
        """Return how many deltas were joined and how many live events skipped since the last call."""
        merged, self._merger.merged = self._merger.merged, 0
        dropped, self.dropped = self.dropped, 0
        return merged, dropped

    @property
    def after(self) -> int:
        """From where to read on.  The event before that is read, too, when the next may belong to it."""
        return self._cursor - 1 if self._fresh and self._cursor else self._cursor

    @property
    def until(self) -> int | None:
        """When held deltas must leave, in Unix milliseconds; None when none is held."""
        return self._merger.until

    # ----------------------------------------------------------------- subscriptions

    def add(self, subscription: Subscription, last_seq: int) -> None:
        """Begin with a subscription; `last_seq` is the newest event there is."""
        sent = self._sent
        if not self.subscriptions:
            self._go_to(subscription.start, resumed=subscription.resumed)
        elif subscription.start < sent:
            for each in self.subscriptions:
                each.through = max(each.through, sent)
            self._go_to(subscription.start, resumed=subscription.resumed)
        self.subscriptions.append(subscription)
        self.durable_only = self.durable_only and subscription.durable_only
        self.replay = max(self.replay, last_seq)

    def remove(self, subscription: Subscription) -> None:
        """End a subscription."""
        self.subscriptions.remove(subscription)
        self.durable_only = all(each.durable_only for each in self.subscriptions)

    @property
    def _sent(self) -> int:
        """The seq up to which everything wanted was handed out."""
        before = self._merger.before
        return self._cursor if before is None else before

    def _go_to(self, seq: int, *, resumed: bool) -> None:
        self._cursor, self._fresh, self.resumed = seq, resumed, resumed
        # What one subscriber was too slow for is the past of the next one, who was not.
        self._skip, self._kept = 0, frozenset()
        self.applied = min(self.applied, seq)
        self._merger.forget()
        self._started.clear()

    # ----------------------------------------------------------------- events

    def lagging(self, events: Sequence[Event], late_ms: float, bytes: int, now_ms: float) -> Gap | None:
        """Decide, after the reader was waited for, whether it gets no live events of what it has missed.

        `events` are all it has not been sent.  Returns the range that is skipped.
        """
        missed = [event for event in events if event.seq > max(self.replay, self._cursor, self._skip)]
        if not any(not event.durable and first_time(event, self.subscriptions) for event in missed):
            return None
        late = now_ms - missed[0].timestamp > late_ms
        if not late and sum(len(event.payload) for event in missed) <= bytes:
            return None
        first, self._skip = self._sent + 1, missed[-1].seq
        # What waits to be joined is a live event like the others.
        self.dropped += self._merger.forget()
        # The newest state of each namespace is not skipped: nothing repeats it.
        newest = {event.namespace: event.seq for event in missed if event.method == "values"}
        self._kept = frozenset(newest.values())
        return first, self._skip

    def take(self, event: Event) -> Iterator[Event]:
        """Take the event that follows; yields those to send."""
        if event.seq <= self._cursor:
            self._merger.see(event)
            return
        self._cursor, self._fresh = event.seq, False
        if event.seq <= self._skip and not event.durable and event.seq not in self._kept:
            self._drop(event)
            return
        for each in self._merger.push(event):
            yield from self._wanted(each)

    def release(self) -> Iterator[Event]:
        """Yield the deltas that are held."""
        for each in self._merger.flush():
            yield from self._wanted(each)

    def clip(self, gap: Gap | None) -> Gap | None:
        """Return the part of a gap where live events may be missing that the subscribers want."""
        if gap is None or self.durable_only:
            return None
        first = max(gap[0], self._sent + 1, 1 if self.resumed else self.replay + 1)
        return (first, gap[1]) if first <= gap[1] else None

    def pass_by(self, seq: int) -> None:
        """Take note that there is nothing more to send up to `seq`."""
        if seq >= self._cursor:
            self._cursor, self._fresh = seq, False

    def _wanted(self, event: Event) -> Iterator[Event]:
        if not first_time(event, self.subscriptions):
            return
        for each in self._whole(event) if event.method == "messages" else (event,):
            self.applied = max(self.applied, each.seq)
            yield each

    def _drop(self, event: Event) -> None:
        self._merger.see(event)
        if not first_time(event, self.subscriptions):
            return
        self.dropped += 1
        if event.method == "messages" and event.data["event"] == "message-start":
            self._cut.add(event.data["message_id"])

    def _whole(self, event: Event) -> Iterator[Event]:
        """Put a message's start, which the reader was spared, before its whole text; never two starts."""
        id, kind = event.data["message_id"], event.data["event"]
        if kind == "message-start":
            if id in self._started:
                return
            self._started.add(id)
        elif kind in ("message-finish", "error"):
            self._started.discard(id)
            self._cut.discard(id)
        elif kind == "content-block-finish" and id in self._cut:
            for each in with_starts([event], 0):
                if each.data["event"] != "message-start" or id not in self._started:
                    self._started.add(id)
                    yield each
            return
        yield event
