"""What was lost, doubled or left half done: counted from what clients were told and what is on disk."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import pairwise
from typing import Any

from tests.faults.client import Client
from tests.faults.place import Place


@dataclass(frozen=True)
class Figures:
    """Each of these is promised to be zero."""

    accepted_runs_lost: int
    """Runs a client was told of that are not on disk, or did not come to their end."""
    acknowledged_events_lost: int
    """Durable events a client has seen that are not on disk, or not as it has seen them."""
    events_not_delivered: int
    """Durable events on disk that the thread's client was not sent."""
    duplicated_events: int
    """Events a client was sent twice, or that one attempt of a run has put into the log twice."""
    repeated_seqs: int
    """Seqs that a client saw out of order, or with two contents."""
    gaps_in_positions: int
    duplicated_keyed_effects: int
    """Effects of a run that were had under more than one idempotency key: nobody could tell them apart
    from two effects that were meant.  (A step that runs again repeats an effect under the same key.)"""
    wrong_texts: int
    """Messages that a client, when all is over, has before it in another text than the log."""
    half_messages_left: int
    """Messages a client saw begin that neither ended nor were taken back."""
    runs_ended_twice: int

    def __str__(self) -> str:
        shown = zip(fields(self), astuple(self), strict=True)
        return "\n".join(f"{field.name.replace('_', ' '):28}{value}" for field, value in shown)

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not any(astuple(self))


def count(place: Place, clients: Sequence[Client]) -> Figures:
    """Count, after every run has ended and every client has seen it."""
    ended = {run for run, status in place.rows("SELECT id, status FROM runs") if status == "success"}
    return Figures(
        accepted_runs_lost=sum(run not in ended for client in clients for run in client.accepted),
        acknowledged_events_lost=sum(_lost(place, client) for client in clients),
        events_not_delivered=sum(_missed(place, client) for client in clients),
        duplicated_events=sum(_doubled(place, client) for client in clients),
        repeated_seqs=sum(_repeated(client) for client in clients),
        gaps_in_positions=sum(_gaps(place, client) for client in clients),
        duplicated_keyed_effects=_effects_under_two_keys(place),
        wrong_texts=sum(_wrong(place, client) for client in clients),
        half_messages_left=sum(len(client.halves()) for client in clients)
        + len(place.rows("SELECT * FROM open_messages")),
        runs_ended_twice=_ended_twice(place, clients),
    )


def repeated_effects(place: Place) -> int:
    """Return how often a step ran again and had its effect again, under the same key."""
    keys = Counter(line["key"] for line in place.ledger)
    return sum(times - 1 for times in keys.values())


def _shown(client: Client) -> list[tuple[int, str]]:
    return [(frame["seq"], _content(frame["method"], frame["params"]["data"])) for frame in client.durable]


def _stored(place: Place, client: Client) -> list[tuple[int, str]]:
    return [(seq, _content(method, data)) for _, seq, method, data in place.events(client.thread)]


def _content(method: str, data: Any) -> str:
    return f"{method} {json.dumps(data, sort_keys=True)}"


def _lost(place: Place, client: Client) -> int:
    return len(set(_shown(client)) - set(_stored(place, client)))


def _missed(place: Place, client: Client) -> int:
    return len(set(_stored(place, client)) - set(_shown(client)))


def _doubled(place: Place, client: Client) -> int:
    # A replay begins messages once more, under the ids of the events that began them.
    sent = Counter(frame["event_id"] for frame in client.durable)
    stored, claims = Counter[tuple[int, str]](), 0
    for _, _, method, data in place.events(client.thread):
        claims += data.get("event") == "running"
        stored[claims, _content(method, data)] += 1
    return _extra(sent.values()) + _extra(stored.values())


def _wrong(place: Place, client: Client) -> int:
    texts: dict[str, str] = {}
    for _, _, method, data in place.events(client.thread):
        if method == "messages" and data["event"] == "content-block-finish":
            texts[data["message_id"]] = data["content"]["text"]
        elif method == "messages" and data["event"] == "error":
            texts.pop(data["message_id"], None)
    return len(set(texts.items()) ^ set(client.texts().items()))


def _repeated(client: Client) -> int:
    seqs = [frame["seq"] for frame in client.frames]
    return sum(later <= earlier for earlier, later in pairwise(seqs))


def _gaps(place: Place, client: Client) -> int:
    positions = [position for position, *_ in place.events(client.thread)]
    return sum(position != index for index, position in enumerate(positions, 1))


def _effects_under_two_keys(place: Place) -> int:
    keys = defaultdict(set)
    for line in place.ledger:
        keys[line["run"], line["text"]].add(line["key"])
    return _extra(map(len, keys.values()))


def _ended_twice(place: Place, clients: Sequence[Client]) -> int:
    ends = Counter(
        data["run_id"]
        for client in clients
        for _, _, method, data in place.events(client.thread)
        if method == "lifecycle" and data["event"] in ("completed", "failed")
    )
    return _extra(ends.values())


def _extra(times: Iterable[int]) -> int:
    return sum(each - 1 for each in times)
