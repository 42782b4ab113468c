"""A thread that can be read like a channel, and a session that is given it: what tests of sessions need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.protocol import Command, read_subscribe
from hub.session import Beginning, Bounds, Session
from hub.subscriptions import Position, Subscription
from runtime.runs.channel import Batch, Draft
from runtime.runs.replay import with_starts
from runtime.types import Event

RUN = "r1"


@dataclass
class Log:
    """A thread whose events can be read like a channel's; `floor` is where its buffer begins."""

    thread: str
    now: int = 1_000_000
    floor: int = 0
    seq: int = 0
    position: int = 0
    events: list[Event] = field(default_factory=list)

    def live(self, run: str, method: str, data: dict[str, Any], namespace: tuple[str, ...] = ()) -> int:
        self.seq += 1
        self.events.append(Event(self.thread, self.seq, method, data, run, self.now, namespace))
        return self.seq

    def open_message(self, run: str, message: str, namespace: tuple[str, ...] = ()) -> None:
        """Nothing survives this log."""

    def show_after(self, written: None) -> None:
        """Everything is on disk at once."""

    def durable(self, run: str, drafts: Sequence[Draft], spare: int = 0) -> None:
        self.seq += spare
        for draft in drafts:
            self.seq, self.position = self.seq + 1, self.position + 1
            event = (self.thread, self.seq, draft.method, draft.data, run, self.now, draft.namespace)
            self.events.append(Event(*event, self.position))

    def read(self, after: int, limit: int = 512) -> Batch:
        if after >= self.floor:
            return Batch([event for event in self.events if event.seq > after][:limit])
        older = with_starts(
            (event for event in self.events if event.durable and event.seq <= self.floor), after
        )
        return Batch(older + self.read(self.floor, limit).events, (after + 1, self.floor))


def session(**bounds: Any) -> Session:
    return Session(Bounds(**{"commands_per_second": 1e6, "idle": 0.0, "gather": 0.0, **bounds}), thread="t1")


def subscribe(
    to: Session, log: Log, channels: Sequence[str], *, id: int = 1, now: float = 0.0, **params: Any
) -> Subscription:
    """Subscribe as the shell does; returns the subscription."""
    command = Command(id, "subscription.subscribe", {"channels": list(channels), **params}, log.thread)
    position = Position("e1", log.seq, 0)
    subscription, recovered = to.subscribe(command, read_subscribe(command.params), position)
    count = sum(map(subscription.matches, log.read(subscription.start).events))
    result = {"subscription_id": subscription.id, "replayed_events": count}
    to.begin(command, [subscription], result, position, Beginning(count, recovered), now)
    return subscription


def pump(to: Session, log: Log, *, waited: bool = False) -> None:
    """Give a session all that its thread has, as the shell does."""
    feed = to.feeds[log.thread]
    whole = False
    while not whole and not to.full:
        batch = log.read(feed.after)
        if waited:
            to.missed(feed, batch.events, log.now)
        whole = to.events(feed, batch.events, batch.gap) and not batch.gap


def said(to: Session) -> list[dict[str, Any]]:
    """Return what a session has to say."""
    return [json.loads(frame.data) for frame in to.frames()]


def seqs(frames: Sequence[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames if "event_id" in frame]
