"""What one connection has asked for and gets: commands and events in, replies and frames out, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hub.bucket import Bucket
from hub.feed import Feed, Gap
from hub.frames import Frame
from hub.merging import WINDOW
from hub.protocol import (
    MAX_FRAME,
    Command,
    Reconnect,
    Refused,
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
from hub.subscriptions import Position, Subscription, Subscriptions
from runtime.errors import HubbubError, InvalidInput, TooLarge, Unauthenticated
from runtime.types import Event, JsonObject

_FULL = 256 * 1024
"""Bytes of frames that wait to be written, above which nothing more is taken."""

_ANY_THREAD = frozenset({"run.cancel", "subscription.unsubscribe", "auth", "auth.refresh", "ping"})
"""Commands that need not say which thread they are for."""


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


@dataclass(frozen=True, slots=True)
class Beginning:
    """How subscriptions begin: what is replayed, and the state if that comes first.

    `recovered` says that nothing is missing between what the client saw and what it gets.  `fresh` says
    that what is replayed has only just happened, so somebody may wait for what follows.
    """

    replayed: int = 0
    recovered: bool = True
    fresh: bool = False
    state: JsonObject | None = None


class Session:
    """The state of one connection: `thread` is its only one, "" when it carries many.

    The shell gives it what arrives (`read` and `admit`, `events`), carries out the commands it hands
    back, says how that went (`succeed`, `fail`, `begin`), and writes what `frames` returns.
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
        self._subscriptions = Subscriptions(bounds.subscriptions)
        self._out: list[Frame] = []
        self._waiting = 0

    @property
    def many(self) -> bool:
        """Whether frames name their thread."""
        return not self.thread

    @property
    def full(self) -> bool:
        """Whether frames must be written before more is taken."""
        return self._waiting > _FULL

    @property
    def waiting(self) -> int:
        """How many bytes of frames wait to be written."""
        return self._waiting

    @property
    def flooded(self) -> bool:
        """Whether the client goes on sending, however often it is refused."""
        return self._bucket.flooded

    # ----------------------------------------------------------------- commands

    def read(self, raw: bytes, now: float) -> Command | None:
        """Take a message; returns its command, None when it is none or one too many, and answered."""
        try:
            command = read_command(raw)
        except Unreadable as error:
            self._refuse(error.id, self._bucket.take(now) or error.error)
            return None
        if refusal := self._bucket.take(now):
            self.fail(command, refusal)
            return None
        return command

    def read_binary(self, now: float) -> None:
        """Take a message that is no text."""
        error = InvalidInput("This socket takes text frames only; send JSON as text.")
        self._refuse(None, self._bucket.take(now) or error)

    def admit(self, command: Command) -> Command | None:
        """Check a command; returns what the shell has to carry out, None when it has been answered."""
        try:
            check_method(command.method)
            return self._answer(self._on_thread(command))
        except HubbubError as error:
            self.fail(command, error)
            return None

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

    def tell(self, channel: str, data: JsonObject) -> None:
        """Say what concerns no thread, if somebody has subscribed to the channel."""
        if self._subscriptions.want(channel):
            self._place(Frame(notice(channel, data)))

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
        if not command.thread and command.method not in _ANY_THREAD:
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

        It counts from now on; `begin` begins it.
        """
        start, found = position.start(given.since)
        self.coalesce = self.coalesce or given.coalesce
        return self._subscriptions.open(command.thread, given, start), found

    def reconnect(self, command: Command, given: Reconnect, start: int) -> list[Subscription]:
        """Return the subscriptions of an earlier connection, as they go on after `start`; all or none."""
        restored = self._subscriptions.restore(command.thread, given.subscriptions, start)
        self.coalesce = self.coalesce or any(each.coalesce for each in restored)
        return restored

    def forget(self, subscriptions: Iterable[Subscription]) -> None:
        """Take back subscriptions that could not begin."""
        for each in subscriptions:
            if each.id in self._subscriptions:
                self._subscriptions.end(each.id)

    def begin(
        self,
        command: Command,
        subscriptions: Sequence[Subscription],
        result: JsonObject,
        position: Position,
        how: Beginning,
        now: float,
    ) -> Feed | None:
        """Begin subscriptions: reply, then the state, then what is replayed.  None when all have ended."""
        left = [each for each in subscriptions if each.id in self._subscriptions]
        if subscriptions and not left:
            self.fail(
                command, Refused("no_such_subscription", "It was ended before it began; subscribe again.")
            )
            return None
        told: JsonObject = {"epoch": position.epoch, "recovered": how.recovered} if self.many else {}
        self.succeed(command, {**result, **told})
        if not left:
            return None
        feed = self.feeds.get(command.thread)
        if feed is None:
            feed = self.feeds[command.thread] = Feed(command.thread, many=self.many)
        for each in left:
            feed.add(each, position.last_seq)
        feed.ends_from = now + self._bounds.gather
        self._gather(feed, how, now)
        if how.state is not None:
            self.state(feed, how.state, left[0].start)
        return feed

    def state(self, feed: Feed, values: JsonObject, seq: int) -> None:
        """Send the whole state of a thread, as it is after the event `seq` or later."""
        thread = feed.thread if self.many else ""
        frame = notice("values", values, thread, seq)
        if len(frame) > MAX_FRAME:
            frame = notice("too_large", too_large("values", len(frame)), thread, seq)
        self._place(Frame(frame))

    def _gather(self, feed: Feed, how: Beginning, now: float) -> None:
        """Wait for further subscriptions before a replay, so that all of them get one ordered stream."""
        first = feed.ready_at is None
        if first and not how.replayed:
            return
        wait = self._bounds.idle if how.fresh else self._bounds.gather
        if first:
            feed.gathered_since = now
        feed.ready_at = min(now + wait, feed.gathered_since + self._bounds.gather)

    def _unsubscribe(self, id: str) -> None:
        subscription = self._subscriptions.end(id)
        feed = self.feeds.get(subscription.thread)
        if feed and subscription in feed.subscriptions:
            feed.remove(subscription)
            if not feed.subscriptions:
                del self.feeds[subscription.thread]

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
