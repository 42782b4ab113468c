"""Brings a connection's frames to its client without holding up a run or another reader."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from hub.agent_tree import read_tree
from hub.delivery_spans import DeliverySpans
from hub.feed import Feed
from hub.frames import Frame
from hub.protocol import Command, Reconnect, params_as, read_subscribe, seq_of
from hub.routes.run_view import ends
from hub.session import Beginning, Session
from hub.subscriptions import Position, Subscription
from runtime.errors import HubbubError, NoSuchRun
from runtime.telemetry import get_logger
from runtime.types import Event, JsonObject

if TYPE_CHECKING:
    from runtime.engine import Engine
    from runtime.runs.channel import Channel

_log = get_logger(__name__)

_PAGE = 512
_ALL = 1 << 20
"""More events than a channel holds."""

_WAITED = 0.05
"""Seconds that writing takes when the client reads."""

_FRESH = 1000
"""Milliseconds for which an event is news."""


@dataclass(slots=True)
class _Watched:
    """A thread that somebody on this connection has subscribed to."""

    feed: Feed
    channel: Channel
    position: int = 0
    """The newest durable event that was read."""
    end: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Subscriptions that are to begin; `found` says that it is where their client wants to go on."""

    channel: Channel
    position: Position
    subscriptions: Sequence[Subscription]
    found: bool


@dataclass(slots=True)
class _Replay:
    """What a new subscription finds."""

    count: int = 0
    gap: bool = False
    newest: int = 0


@dataclass(slots=True)
class Delivery:
    """The way out of one connection; it has a task only while there is something to write.

    `write` returns when the client has room for more.  `broken` is called when nothing can be
    delivered any more, with what went wrong inside the hub or None when the client is gone.
    """

    engine: Engine
    session: Session
    write: Callable[[Sequence[Frame]], Awaitable[None]]
    broken: Callable[[HubbubError | None], None]
    tenant: str = ""
    spans: DeliverySpans | None = None
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _grown: set[str] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None
    _rest: asyncio.Future[None] | None = None
    _waited: bool = False
    _closed: bool = False
    _last: bool = False
    _coming: Counter[str] = field(default_factory=Counter)
    _taken: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, thread: str) -> None:
        """Let a thread's events wait for a subscription that is about to begin, until it has `arrived`.

        Else its client sees the end of a run for one subscription before the other has its beginning.
        """
        self._coming[thread] += 1

    def arrived(self, thread: str) -> None:
        """Take note that an expected subscription was carried out or refused."""
        self._coming[thread] -= 1
        if self._coming[thread] == 0:
            del self._coming[thread]
            if watched := self._watched.get(thread):
                self._ready(watched.feed)
                self._grown.add(thread)
                self.flush()

    async def subscribe(self, command: Command) -> None:
        """Carry out `subscription.subscribe`; NotFound, InvalidInput, Overloaded, StorageError."""
        given = read_subscribe(command.params)
        channel = await self.engine.threads.channel(self.tenant, command.thread)
        position = _position(channel)
        subscription, found = self.session.subscribe(command, given, position)
        await self._begin(
            command,
            _Wanted(channel, position, [subscription], found),
            lambda replayed: {"subscription_id": subscription.id, "replayed_events": replayed},
        )

    async def reconnect(self, command: Command) -> None:
        """Carry out `subscription.reconnect`; also NoSuchRun, Refused for an id that is none."""
        given = params_as(command.params, Reconnect)
        channel = await self.engine.threads.channel(self.tenant, command.thread)
        run = await self.engine.runs.get(self.tenant, given.run_id)
        if run.thread != command.thread:
            raise NoSuchRun(f"The run {run.id} is not of this thread; list the thread's runs to find it.")
        if given.last_event_id is None:
            seq = max(0, await self.engine.journal.first_seq(run.thread, run.id) - 1)
        else:
            seq = seq_of(given.last_event_id, run.thread)
        tree = await read_tree(self.engine.journal, run)
        position = _position(channel)
        start, found = position.start(seq)
        subscriptions = self.session.reconnect(command, given, start)
        await self._begin(
            command,
            _Wanted(channel, position, subscriptions, found),
            lambda missed: {"restored": True, "missed_events": missed, "current_namespaces": tree.flat()},
        )

    def flush(self) -> None:
        """Write what is ready, and watch no thread that nobody is subscribed to any more."""
        for thread in [name for name, watched in self._watched.items() if not watched.feed.subscriptions]:
            self._watched.pop(thread).end()
        self._go()

    def _go(self) -> None:
        if self._closed:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="delivery")
        elif self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    async def written(self) -> None:
        """Wait until all that there is has been written: nobody subscribes any more."""
        self._last = True
        self._grown.update(self._watched)
        self._go()
        while self._task is not None:
            await asyncio.wait([self._task])

    async def room(self) -> None:
        """Wait until what is ready is on its way, if that is much."""
        while self.session.full and not self._closed:
            self._taken.clear()
            await self._taken.wait()

    def close(self) -> None:
        """End it, whatever is left."""
        self._closed = True
        self._taken.set()
        for watched in self._watched.values():
            watched.end()
        self._watched.clear()
        if self._task is not None:
            self._task.cancel()
        if self.spans is not None:
            self.spans.close()

    # ----------------------------------------------------------------- subscribing

    async def _begin(self, command: Command, wanted: _Wanted, answer: Callable[[int], JsonObject]) -> None:
        """Begin subscriptions; `answer` is given how many events they are sent of the past."""
        subscriptions = wanted.subscriptions
        try:
            replay = await self._replay(wanted)
            live = not all(each.durable_only for each in subscriptions)
            recovered = wanted.found and not (replay.gap and live)
            state = None
            if any(each.wants_state and not (each.resumed and recovered) for each in subscriptions):
                state = await self._state(command.thread)
        except BaseException:
            self.session.forget(subscriptions)
            raise
        fresh = time.time() * 1000 - replay.newest < _FRESH
        how = Beginning(replay.count, recovered, fresh, state or None)
        now = asyncio.get_running_loop().time()
        result = answer(replay.count)
        feed = self.session.begin(command, subscriptions, result, wanted.position, how, now)
        if feed is not None:
            self._watch(feed, wanted.channel)
        if self.spans is not None:
            self.spans.resumes += any(each.resumed for each in subscriptions)
        self.flush()

    async def _replay(self, wanted: _Wanted) -> _Replay:
        """Look at what subscriptions will be sent of the past."""
        channel, last = wanted.channel, wanted.position.last_seq
        found, trial = _Replay(), Feed(channel.thread, many=False)
        for each in wanted.subscriptions:
            trial.add(replace(each), last)
        while wanted.subscriptions:
            batch = await channel.read(trial.after, _PAGE)
            past = [event for event in batch.events if event.seq <= last]
            found.gap |= trial.clip(batch.gap) is not None
            for event in past:
                found.count += sum(1 for _ in trial.take(event))
                found.newest = event.timestamp
            if batch.gap:
                trial.pass_by(batch.gap[1])
            elif len(past) < _PAGE:
                found.count += sum(1 for _ in trial.release())
                break
        return found

    async def _state(self, thread: str) -> JsonObject | None:
        try:
            return (await self.engine.threads.state(self.tenant, thread)).values
        except HubbubError as error:
            # The graph version that could read it is gone; what happens from now on can still be shown.
            _log.info("no state for a new subscriber", thread=thread, reason=str(error))
            return None

    def _watch(self, feed: Feed, channel: Channel) -> None:
        watched = self._watched.get(feed.thread)
        if watched is None or watched.channel is not channel or watched.feed is not feed:
            if watched is not None:
                watched.end()
            watched = self._watched[feed.thread] = _Watched(feed, channel)
            watched.end = channel.watch(partial(self._wake, watched))
        watched.position = 0
        if feed.ready_at is None:
            self._grown.add(feed.thread)
        else:
            loop = asyncio.get_running_loop()
            loop.call_at(feed.ready_at, self._ready, feed)

    def _ready(self, feed: Feed) -> None:
        """Begin a replay, unless another subscription has put it off or is about to."""
        if feed.thread in self._coming or feed.ready_at is None:
            return
        if asyncio.get_running_loop().time() >= feed.ready_at:
            feed.ready_at = None
            self._grown.add(feed.thread)
            self.flush()

    def _wake(self, watched: _Watched) -> None:
        """Take note that a thread has more to show.  Called for every token, so it does next to nothing."""
        feed = watched.feed
        if feed.durable_only and watched.channel.position <= watched.position:
            return
        self._grown.add(feed.thread)
        if self._task is None or self._rest is not None:
            self._go()

    # ----------------------------------------------------------------- the task

    async def _run(self) -> None:
        failure: HubbubError | None = None
        try:
            while True:
                await self._fill()
                wait = self.session.release(time.time() * 1000)
                if frames := self.session.frames():
                    self._taken.set()
                    await self._write(frames)
                elif self._grown:
                    await asyncio.sleep(0)  # reading may not suspend, and others want their turn
                elif wait is None:
                    return
                else:
                    await self._pause(wait / 1000)
        except HubbubError as error:
            failure = error
        except (ConnectionError, TimeoutError):
            pass
        except Exception as error:
            _log.error("delivery failed", exc_info=error)
            failure = HubbubError("The stream failed inside Hubbub; connect again, and see the hub's log.")
        finally:
            self._task = None
        if not self._closed:
            self.broken(failure)

    async def _fill(self) -> None:
        """Take what the threads have to show, as far as there is room."""
        waited, self._waited = self._waited, False
        for thread in list(self._grown):
            watched = self._watched.get(thread)
            self._grown.discard(thread)
            if watched is None or watched.feed.ready_at is not None or thread in self._coming:
                continue
            feed, after = watched.feed, watched.feed.after
            limit = _ALL if waited else _PAGE
            batch = await watched.channel.read(after, limit)
            if feed.after != after:  # somebody has subscribed meanwhile
                self._grown.add(thread)
                continue
            if waited:
                self.session.missed(feed, batch.events, time.time() * 1000)
            events = batch.events if batch.gap else self._without_end(feed, batch.events)
            whole = self.session.events(feed, events, batch.gap)
            for event in reversed(events):
                if event.durable:
                    watched.position = max(watched.position, event.position) if whole else watched.position
                    break
            if not whole or batch.gap or len(events) >= limit:
                self._grown.add(thread)
            if self.session.full:
                return

    def _without_end(self, feed: Feed, events: Sequence[Event]) -> Sequence[Event]:
        """Leave a run's end, and what follows, for a moment later if further subscriptions may come."""
        loop = asyncio.get_running_loop()
        if self._last or loop.time() >= feed.ends_from:
            return events
        first = next((index for index, event in enumerate(events) if ends(event)), None)
        if first is None:
            return events
        loop.call_at(feed.ends_from, self._go_on, feed.thread)
        return events[:first]

    def _go_on(self, thread: str) -> None:
        self._grown.add(thread)
        self.flush()

    async def _write(self, frames: Sequence[Frame]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.write(frames)
        self._waited = loop.time() - began > _WAITED
        metrics = self.engine.telemetry.metrics
        metrics.frames_sent(len(frames))
        for feed in self.session.feeds.values():
            merged, dropped = feed.counted()
            if merged:
                metrics.deltas_merged(merged)
            if dropped:
                metrics.deltas_dropped(dropped)
            if self.spans is not None:
                self.spans.merged += merged
                self.spans.dropped += dropped
        if self.spans is not None:
            await self.spans.note(self.tenant, [frame.event for frame in frames if frame.event])

    async def _pause(self, seconds: float) -> None:
        """Wait for more, at most so long."""
        loop = asyncio.get_running_loop()
        self._rest = loop.create_future()
        timer = loop.call_later(seconds, _end, self._rest)
        try:
            await self._rest
        finally:
            timer.cancel()
            self._rest = None


def _position(channel: Channel) -> Position:
    return Position(channel.epoch, channel.last_seq, channel.newest_run_start)


def _end(rest: asyncio.Future[None]) -> None:
    if not rest.done():
        rest.set_result(None)
