"""The subscriptions of a connection: which events each is for, and from where on.

The id of a subscription says what it is for.  So it can be restored on another connection, also one
to a hub that has been started anew, and nothing has to be kept for clients that may never come back.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from hub.body import decode
from hub.protocol import DURABLE, Refused, Since, Subscribe, checked_channels, params_as
from runtime.errors import InvalidInput, Overloaded
from runtime.types import Event

_LONGEST = 4096
"""Characters of the longest id."""

_SHOWN = 60

Namespace = tuple[str, ...]


class Position(NamedTuple):
    """Where a thread stands when somebody subscribes."""

    epoch: str
    last_seq: int
    newest_run_start: int

    def start(self, since: int | Since | None) -> tuple[int, bool]:
        """Return the seq after which to begin, and whether that is where the client wants to go on."""
        if since is None:
            return self.newest_run_start, True
        seq, epoch = (since.seq, since.epoch) if isinstance(since, Since) else (since, "")
        if seq <= self.last_seq:
            return seq, True
        if epoch and epoch != self.epoch:
            return self.newest_run_start, False
        raise InvalidInput(
            f"The thread has no event {seq} yet (its newest is {self.last_seq}); send the seq of one you saw."
        )


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
    coalesce: bool = False

    @classmethod
    def of(cls, id: str, thread: str, given: Subscribe, start: int) -> Subscription:
        """Make one that begins after `start`."""
        # Without namespaces the depth counts from the root.
        namespaces = tuple(map(tuple, given.namespaces)) if given.namespaces else ((),)
        resumed = given.since is not None
        about = (frozenset(given.channels), namespaces, given.depth, start, start)
        return cls(id, thread, *about, resumed=resumed, coalesce=given.coalesce)

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


class Subscriptions:
    """Those of one connection; at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, Subscription] = {}
        self._numbers = 0

    def __contains__(self, id: str) -> bool:
        """Whether a subscription has not ended."""
        return id in self._open

    def want(self, channel: str) -> bool:
        """Whether one of them is for a channel."""
        return any(channel in each.channels for each in self._open.values())

    def open(self, thread: str, given: Subscribe, start: int) -> Subscription:
        """Begin a new one after the seq `start`; Overloaded when there are too many."""
        self._check_room(1)
        told = _told(given)
        while (id := f"s{self._numbers + 1}.{told}") in self._open:
            self._numbers += 1
        self._numbers += 1
        made = self._open[id] = Subscription.of(id, thread, given, start)
        return made

    def restore(self, thread: str, ids: Sequence[str], start: int) -> list[Subscription]:
        """Begin those of an earlier connection after `start`, all or none; Refused for an id that is none."""
        wanted = {id: _given(id) for id in ids}
        if busy := next((id for id in wanted if id in self._open), None):
            raise InvalidInput(f"The subscription {busy[:_SHOWN]} is active on this socket; leave it out.")
        self._check_room(len(wanted))
        made = [
            Subscription.of(id, thread, msgspec.structs.replace(given, since=start), start)
            for id, given in wanted.items()
        ]
        self._open |= {each.id: each for each in made}
        return made

    def end(self, id: str) -> Subscription:
        """End one; Refused when there is none."""
        if (ended := self._open.pop(id, None)) is None:
            raise _none(id)
        return ended

    def _check_room(self, wanted: int) -> None:
        if len(self._open) + wanted > self._most:
            raise Overloaded(
                f"A socket has at most {self._most} subscriptions ([hub.limits] subscriptions); "
                "end one first.",
                retry_after=1.0,
            )


def _told(given: Subscribe) -> str:
    about = msgspec.json.encode([given.channels, given.namespaces, given.depth, given.coalesce])
    told = base64.urlsafe_b64encode(about).decode().rstrip("=")
    if len(told) > _LONGEST:
        raise InvalidInput(
            f"The channels and namespaces of a subscription are too long ({len(about)} bytes); ask for fewer."
        )
    return told


def _given(id: str) -> Subscribe:
    """Return what a subscription was made for."""
    number, _, told = id.partition(".")
    try:
        if len(told) > _LONGEST or not (number[:1] == "s" and number[1:].isdigit()):
            raise _none(id)
        about = decode(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))
        names = ("channels", "namespaces", "depth", "coalesce")
        return checked_channels(params_as(dict(zip(names, about, strict=True)), Subscribe))
    except (InvalidInput, ValueError, TypeError, binascii.Error):
        raise _none(id) from None


def _none(id: str) -> Refused:
    return Refused("no_such_subscription", f"There is no subscription {id[:_SHOWN]}; subscribe again.")


def _begins(namespace: Namespace, prefix: Namespace) -> bool:
    """Whether a namespace is at or below `prefix`; the part of a segment after ":" may be left out there."""
    return len(prefix) <= len(namespace) and all(map(_same, namespace, prefix))


def _same(segment: str, wanted: str) -> bool:
    return segment == wanted or (":" not in wanted and segment.partition(":")[0] == wanted)


def first_time(event: Event, subscriptions: Sequence[Subscription]) -> bool:
    """Whether an event is for one of them and was not sent for that one before."""
    return any(event.seq > each.through and each.matches(event) for each in subscriptions)
