"""What one connection has asked for and gets: commands and events in, replies and frames out, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hub.bucket import Bucket
from hub.feed import Feed, Gap
from hub.merging import WINDOW
from hub.protocol import (
    MAX_FRAME,
    Command,
    Refused,
    Since,
    Subscribe,
    Unreadable,
    Unsubscribe,
    check_method,
    code_of,
    event_frame,
    failure,
    known_method,
    notice,
    params_as,
    read_command,
    success,
    too_large,
)
from hub.subscriptions import Subscription
from runtime.errors import HubbubError, InvalidInput, Overloaded, TooLarge, Unauthenticated
from runtime.types import Event, JsonObject

_FULL = 256 * 1024
"""Bytes of frames that wait to be written, above which no more events are taken."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one connection; times are in seconds.

    Live events are skipped for a reader that is `behind` bytes or `late` seconds behind.  A replay
    begins `idle` after the last subscription, at most `gather` after the first.
    """

    subscriptions: int = 64
    commands_per_second: float = 50.0
    behind: int = MAX_FRAME
    late: float = 5.0
    idle: float = 0.002
    gather: float = 0.010


class Position(NamedTuple):
    """Where a thread stands when somebody subscribes."""

    epoch: str
    last_seq: int
    newest_run_start: int


class Frame(NamedTuple):
    """One message to write; `event` is the one that it carries, if it does."""

    data: bytes
    event: Event | None = None


class Session:
    """The state of one connection: `thread` is its only one, "" when it carries many.

    The shell gives it what arrives (`read` and `admit`, `events`), carries out the commands it hands
    back, says how that went (`succeed`, `fail`, `subscribed`), and writes what `frames` returns.
    """

    def __init__(
        self,
        bounds: Bounds,
        *,
        thread: str = "",
        known: bool = True,
        now: float = 0.0,
        counted: Callable[[str, str], None] = lambda method, outcome: None,
    ) -> None:
        self.thread, self.known, self._counted = thread, known, counted
        self.feeds: dict[str, Feed] = {}
        self.coalesce = False
        self._bounds = bounds
        self._bucket = Bucket(bounds.commands_per_second, now)
        self._subscriptions: dict[str, Subscription] = {}
        self._numbers = 0
        self._out: list[Frame] = []
        self._waiting = 0

    @property
    def many(self) -> bool:
        """Whether frames name their thread."""
        return not self.thread

    @property
    def full(self) -> bool:
        """Whether frames must be written before more events are taken."""
        return self._waiting > _FULL

    # ----------------------------------------------------------------- commands

    def read(self, raw: bytes) -> Command | None:
        """Take a message; returns its command, None when it is none and has been answered."""
        try:
            return read_command(raw)
        except Unreadable as error:
            self._refuse(error.id, error.error)
            return None

    def admit(self, command: Command, now: float) -> Command | None:
        """Check a command; returns what the shell has to carry out, None when it has been answered."""
        try:
            self._bucket.take(now)
            check_method(command.method)
            return self._answer(self._on_thread(command))
        except HubbubError as error:
            self.fail(command, error)
            return None

    def receive_binary(self) -> None:
        """Take a message that is no text."""
        self._refuse(None, InvalidInput("This socket takes text frames only; send JSON as text."))

    def succeed(self, command: Command, result: JsonObject) -> None:
        """Reply that a command was carried out; one without an id is our own, nobody waits for it."""
        if command.id is None:
            return
        reply = success(command, result, many=self.many, applied=self._applied(command.thread))
        if len(reply) > MAX_FRAME:
            error = TooLarge(f"The reply has {len(reply)} bytes, over {MAX_FRAME}; ask for it over HTTP.")
            self.fail(command, error)
            return
        self._counted(command.method, "success")
        self._place(Frame(reply))

    def fail(self, command: Command, error: HubbubError, trace: str | None = None) -> None:
        """Reply that a command was refused or failed."""
        self._counted(known_method(command.method), code_of(error))
        self._refuse(command.id, error, command.thread, trace)

    def break_off(self, error: HubbubError) -> None:
        """Say that no more events come; the connection is closed after this."""
        self._refuse(None, error)

    def drain(self, reconnect_after_ms: int) -> None:
        """Say that this hub stops."""
        self._place(Frame(notice("drain", {"reconnect_after_ms": reconnect_after_ms})))

    def _answer(self, command: Command) -> Command | None:
        if command.method == "ping":
            self.succeed(command, {})
            return None
        if not self.known and command.method != "auth":
            raise Unauthenticated("This socket is not authenticated yet; send the command auth first.")
        if command.method == "subscription.unsubscribe":
            self._unsubscribe(params_as(command.params, Unsubscribe).subscription_id)
            self.succeed(command, {})
            return None
        return command

    def _on_thread(self, command: Command) -> Command:
        """Return the command with its thread."""
        if self.thread:
            if command.thread not in ("", self.thread):
                raise InvalidInput(f"This socket is for the thread {self.thread} only; use /ws for many.")
            return Command(command.id, command.method, command.params, self.thread, command.traceparent)
        if not command.thread and command.method in ("run.start", "state.get", "subscription.subscribe"):
            raise InvalidInput(f"The field thread is missing; {command.method} needs it on this socket.")
        return command

    def _refuse(self, id: int | None, error: HubbubError, thread: str = "", trace: str | None = None) -> None:
        shown = thread if self.many else ""
        self._place(Frame(failure(id, error, thread=shown, applied=self._applied(thread), trace=trace)))

    def _applied(self, thread: str) -> int:
        feed = self.feeds.get(thread)
        return feed.applied if feed else 0

    # ----------------------------------------------------------------- subscriptions

    def subscribe(self, command: Command, given: Subscribe, position: Position) -> tuple[Subscription, bool]:
        """Return the subscription a command asks for, and whether it begins where the client wants.

        It counts from now on; `subscribed` begins it.
        """
        if len(self._subscriptions) >= self._bounds.subscriptions:
            raise Overloaded(
                f"A socket has at most {self._bounds.subscriptions} subscriptions ([hub.limits] "
                "subscriptions); end one first.",
                retry_after=1.0,
            )
        start, found = _start(given.since, position)
        self._numbers += 1
        subscription = Subscription.of(f"s{self._numbers}", command.thread, given, start)
        self._subscriptions[subscription.id] = subscription
        self.coalesce = self.coalesce or given.coalesce
        return subscription, found

    def forget(self, subscription: Subscription) -> None:
        """Take back a subscription that could not begin."""
        self._subscriptions.pop(subscription.id, None)

    def subscribed(
        self,
        command: Command,
        subscription: Subscription,
        position: Position,
        now: float,
        *,
        replayed: int = 0,
        recovered: bool = True,
        fresh: bool = False,
        state: JsonObject | None = None,
    ) -> Feed | None:
        """Begin a subscription: reply, then the state, then what is replayed.  None when it has ended.

        `fresh` says that what is replayed has only just happened, so somebody may wait for what follows.
        """
        if subscription.id not in self._subscriptions:
            return None
        result: JsonObject = {"subscription_id": subscription.id, "replayed_events": replayed}
        if self.many:
            result |= {"epoch": position.epoch, "recovered": recovered}
        feed = self.feeds.get(subscription.thread)
        if feed is None:
            feed = self.feeds[subscription.thread] = Feed(subscription.thread, many=self.many)
        self.succeed(command, result)
        feed.add(subscription, position.last_seq)
        self._gather(feed, replayed, now, fresh=fresh)
        if state is not None:
            self.state(feed, state, subscription.start)
        return feed

    def state(self, feed: Feed, values: JsonObject, seq: int) -> None:
        """Send the whole state of a thread, as it is after the event `seq` or later."""
        thread = feed.thread if self.many else ""
        frame = notice("values", values, thread, seq)
        if len(frame) > MAX_FRAME:
            frame = notice("too_large", too_large("values", len(frame)), thread, seq)
        self._place(Frame(frame))

    def _gather(self, feed: Feed, replayed: int, now: float, *, fresh: bool) -> None:
        """Wait for further subscriptions before a replay, so that all of them get one ordered stream."""
        first = feed.ready_at is None
        if first and not replayed:
            return
        wait = self._bounds.idle if fresh else self._bounds.gather
        if first:
            feed.gathered_since = now
        feed.ready_at = min(now + wait, feed.gathered_since + self._bounds.gather)

    def _unsubscribe(self, id: str) -> None:
        subscription = self._subscriptions.pop(id, None)
        if subscription is None:
            raise Refused("no_such_subscription", f"There is no subscription {id[:60]}; it may have ended.")
        feed = self.feeds.get(subscription.thread)
        if feed and subscription in feed.subscriptions:
            feed.remove(subscription)

    # ----------------------------------------------------------------- events

    def missed(self, feed: Feed, events: Sequence[Event], now_ms: float) -> Gap | None:
        """Look, after the reader was waited for, at all it has missed; too much is skipped, and said."""
        bounds = self._bounds
        gap = feed.lagging(events, bounds.late * 1000, bounds.behind, now_ms)
        if gap:
            self._lagged(feed, gap)
        return gap

    def events(self, feed: Feed, events: Iterable[Event], gap: Gap | None = None) -> bool:
        """Take the events after `feed.after`; False when not all fit, and they have to be read again.

        `gap` is the range whose live events nobody has any more.
        """
        if gap:
            for each in feed.release():
                self._event(feed, each)
            if missing := feed.clip(gap):
                self._lagged(feed, missing)
        for event in events:
            if self.full:
                return False
            for each in feed.take(event):
                self._event(feed, each)
        if gap:
            feed.pass_by(gap[1])
        return True

    def release(self, now_ms: float) -> float | None:
        """Send held deltas whose time has come; returns the milliseconds until that of the others."""
        waits = []
        for feed in self.feeds.values():
            until = feed.until
            if until is None:
                continue
            # A wait of more than the window means that the clock was set back.
            if until <= now_ms or until - now_ms > WINDOW:
                for each in feed.release():
                    self._event(feed, each)
            else:
                waits.append(until - now_ms)
        return min(waits) if waits else None

    def _lagged(self, feed: Feed, gap: Gap) -> None:
        data = {"from": gap[0], "to": gap[1]}
        self._place(Frame(notice("lagged", data, feed.thread if self.many else "")))

    def _event(self, feed: Feed, event: Event) -> None:
        self._place(Frame(event_frame(feed.prefix, event), event))

    # ----------------------------------------------------------------- out

    def _place(self, frame: Frame) -> None:
        self._out.append(frame)
        self._waiting += len(frame.data)

    def frames(self) -> list[Frame]:
        """Return what is to be written now, in this order, and forget it."""
        out, self._out, self._waiting = self._out, [], 0
        return out


def messages(frames: Sequence[Frame], *, coalesce: bool) -> list[bytes]:
    """Return frames as messages; with `coalesce` events that follow each other are one JSON array."""
    if not coalesce:
        return [frame.data for frame in frames]
    found: list[bytes] = []
    together: list[bytes] = []
    size = 0
    for frame in frames:
        if together and (frame.event is None or size + len(frame.data) + 1 > MAX_FRAME - 1):
            found.append(_array(together))
            together, size = [], 0
        if frame.event is None:
            found.append(frame.data)
        else:
            together.append(frame.data)
            size += len(frame.data) + 1
    return [*found, _array(together)] if together else found


def _array(events: Sequence[bytes]) -> bytes:
    return b"[%b]" % b",".join(events) if len(events) > 1 else events[0]


def _start(since: int | Since | None, position: Position) -> tuple[int, bool]:
    """Return the seq after which to begin, and whether that is where the client wants to go on."""
    if since is None:
        return position.newest_run_start, True
    seq, epoch = (since.seq, since.epoch) if isinstance(since, Since) else (since, "")
    if seq <= position.last_seq:
        return seq, True
    if epoch and epoch != position.epoch:
        return position.newest_run_start, False
    raise InvalidInput(
        f"The thread has no event {seq} yet (its newest is {position.last_seq}); send the seq of one you saw."
    )
