"""Brings a connection's frames to its client without holding up a run or another reader."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from hub.delivery_spans import DeliverySpans
from hub.feed import Feed
from hub.protocol import Command, read_subscribe
from hub.session import Frame, Position, Session
from hub.subscriptions import Subscription
from runtime.errors import HubbubError
from runtime.telemetry import get_logger
from runtime.types import JsonObject

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
    _coming: Counter[str] = field(default_factory=Counter)

    def expect(self, thread: str) -> None:
        """Let replays of a thread wait for a subscription that has arrived, until it `arrived`."""
        self._coming[thread] += 1

    def arrived(self, thread: str) -> None:
        """Take note that an expected subscription was carried out or refused."""
        self._coming[thread] -= 1
        if self._coming[thread] == 0:
            del self._coming[thread]
            if watched := self._watched.get(thread):
                self._ready(watched.feed)

    async def subscribe(self, command: Command) -> None:
        """Carry out `subscription.subscribe`; NotFound, InvalidInput, Overloaded, StorageError."""
        given = read_subscribe(command.params)
        channel = await self.engine.threads.channel(self.tenant, command.thread)
        position = Position(channel.epoch, channel.last_seq, channel.newest_run_start)
        subscription, found = self.session.subscribe(command, given, position)
        try:
            replay = await self._replay(channel, subscription, position.last_seq)
            recovered = found and not (replay.gap and not subscription.durable_only)
            state = None
            if subscription.wants_state and not (subscription.resumed and recovered):
                state = await self._state(command.thread)
        except BaseException:
            self.session.forget(subscription)
            raise
        feed = self.session.subscribed(
            command,
            subscription,
            position,
            asyncio.get_running_loop().time(),
            replayed=replay.count,
            recovered=recovered,
            fresh=time.time() * 1000 - replay.newest < _FRESH,
            state=state or None,
        )
        if feed is not None:
            self._watch(feed, channel)
        if self.spans is not None:
            self.spans.resumes += subscription.resumed
        self.flush()

    def flush(self) -> None:
        """Write what is ready."""
        if self._closed:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="delivery")
        elif self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    async def written(self) -> None:
        """Wait until what is ready has been written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def close(self) -> None:
        """End it, whatever is left."""
        self._closed = True
        for watched in self._watched.values():
            watched.end()
        self._watched.clear()
        if self._task is not None:
            self._task.cancel()
        if self.spans is not None:
            self.spans.close()

    # ----------------------------------------------------------------- subscribing

    async def _replay(self, channel: Channel, subscription: Subscription, last: int) -> _Replay:
        """Look at what a subscription will be sent of the past."""
        found, trial = _Replay(), Feed(channel.thread, many=False)
        trial.add(subscription, last)
        while True:
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
        if watched is None or watched.channel is not channel:
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
            if not feed.subscriptions:
                watched.end()
                self._watched.pop(feed.thread, None)
            return
        self._grown.add(feed.thread)
        if self._task is None or self._rest is not None:
            self.flush()

    # ----------------------------------------------------------------- the task

    async def _run(self) -> None:
        failure: HubbubError | None = None
        try:
            while True:
                await self._fill()
                wait = self.session.release(time.time() * 1000)
                if frames := self.session.frames():
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
            if watched is None or watched.feed.ready_at is not None:
                continue
            feed, after = watched.feed, watched.feed.after
            limit = _ALL if waited else _PAGE
            batch = await watched.channel.read(after, limit)
            if feed.after != after:  # somebody has subscribed meanwhile
                self._grown.add(thread)
                continue
            if waited:
                self.session.missed(feed, batch.events, time.time() * 1000)
            whole = self.session.events(feed, batch.events, batch.gap)
            for event in reversed(batch.events):
                if event.durable:
                    watched.position = max(watched.position, event.position) if whole else watched.position
                    break
            if not whole or batch.gap or len(batch.events) >= limit:
                self._grown.add(thread)
            if self.session.full:
                return

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


def _end(rest: asyncio.Future[None]) -> None:
    if not rest.done():
        rest.set_result(None)
