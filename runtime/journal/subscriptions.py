"""The log as subscribers read it: every durable event of every thread, in the order of the commits."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from runtime.journal.sqlite import SqliteJournal, read_event
from runtime.types import Event

_AFTER = (
    "SELECT events.rowid, tenant, thread, position, seq, run, method, namespace, data, timestamp"
    " FROM events JOIN threads ON threads.id = events.thread"
    " WHERE events.rowid > ? ORDER BY events.rowid LIMIT ?"
)
_PLACE = "SELECT place, turn FROM subscriptions WHERE name = ?"


class Logged(NamedTuple):
    """An event, its place in the log, and whose thread it is on."""

    place: int
    tenant: str
    event: Event


class Place(NamedTuple):
    """How far a subscriber has got; it holds for one `turn`, until the newest events are deleted."""

    place: int
    turn: int


class JournalSubscriptions:
    """How far each subscriber has got, and what comes next."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def place(self, name: str) -> Place:
        """Return how far a subscriber has got; one that is new begins at the end of the log."""

        def query(database: sqlite3.Connection) -> Place | None:
            row = database.execute(_PLACE, (name,)).fetchone()
            return Place(*row) if row else None

        while (found := await self._journal.read(query)) is None:
            await self._journal.submit([("subscription.begin", (name,))])
        return found

    async def after(self, place: int, limit: int) -> list[Logged]:
        """Return the events after a place, at most `limit`."""

        def query(database: sqlite3.Connection) -> list[Logged]:
            rows = database.execute(_AFTER, (place, limit))
            return [Logged(row[0], row[1], read_event(row[2:])) for row in rows]

        return await self._journal.read(query)

    async def move(self, name: str, to: Place) -> bool:
        """Note how far a subscriber has got; false when that turn is over, and it has to look again."""
        return not await self._journal.submit([("subscription.move", (name, to.place, to.turn))])
