"""Which events a subscription is for: channels, namespaces, depth, and from where on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.protocol import DURABLE, Subscribe
from runtime.types import Event

Namespace = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription of a socket to a thread.

    It is for events above `start`; those up to `through` were sent for it, when a later subscription
    makes its thread be read again.
    """

    id: str
    thread: str
    channels: frozenset[str]
    namespaces: tuple[Namespace, ...]
    depth: int | None
    start: int
    through: int
    resumed: bool

    @classmethod
    def of(cls, id: str, thread: str, given: Subscribe, start: int) -> Subscription:
        """Make one that begins after `start`."""
        # Without namespaces the depth counts from the root.
        namespaces = tuple(map(tuple, given.namespaces)) if given.namespaces else ((),)
        resumed = given.since is not None
        return cls(
            *(id, thread, frozenset(given.channels), namespaces, given.depth, start, start), resumed=resumed
        )

    @property
    def durable_only(self) -> bool:
        """Whether nothing that is not in the log can match."""
        return all(channel.partition(":")[0] in DURABLE for channel in self.channels)

    @property
    def wants_state(self) -> bool:
        """Whether it is for the values of the whole graph."""
        return "values" in self.channels and self._covers(())

    def matches(self, event: Event) -> bool:
        """Whether an event is for it."""
        return self._has(event) and self._covers(event.namespace)

    def _has(self, event: Event) -> bool:
        method = event.method
        if method in self.channels:
            return True
        if method == "custom":
            return f"custom:{event.data.get('name')}" in self.channels
        return method == "input.requested" and "input" in self.channels

    def _covers(self, namespace: Namespace) -> bool:
        return any(
            _begins(namespace, prefix) and (self.depth is None or len(namespace) - len(prefix) <= self.depth)
            for prefix in self.namespaces
        )


def _begins(namespace: Namespace, prefix: Namespace) -> bool:
    """Whether a namespace is at or below `prefix`; the part of a segment after ":" may be left out there."""
    return len(prefix) <= len(namespace) and all(map(_same, namespace, prefix))


def _same(segment: str, wanted: str) -> bool:
    return segment == wanted or (":" not in wanted and segment.partition(":")[0] == wanted)


def first_time(event: Event, subscriptions: Sequence[Subscription]) -> bool:
    """Whether an event is for one of them and was not sent for that one before."""
    return any(event.seq > each.through and each.matches(event) for each in subscriptions)
