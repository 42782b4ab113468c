"""What users did with items, in the journal: written by the one writer, read by its reader threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from runtime.journal.sqlite import SqliteJournal
from runtime.recommend.feedback import feedback_row
from runtime.recommend.requests import batches, item_of
from runtime.types import CatalogueItem, Interaction

if TYPE_CHECKING:
    from runtime.recommend.requests import KeyedInteraction

_AT_ONCE = 500
"""Rows of one commit: other writes wait for no more than these."""
_RECENT = 10_000
"""Events that the popularity before the first fit looks at."""

_HISTORY = (
    "SELECT user, item, kind, at, value, recommendation FROM interactions"
    " WHERE tenant = ? AND user = ? ORDER BY at DESC, id DESC LIMIT ?"
)
_ITEMS = "SELECT item, fields FROM catalogue WHERE tenant = ? AND item IN (SELECT value FROM json_each(?))"
_NEWEST = "SELECT item FROM catalogue WHERE tenant = ? ORDER BY id DESC LIMIT ?"
_POPULAR = (
    "SELECT item, count(DISTINCT user) AS users FROM (SELECT item, user FROM interactions"
    " WHERE tenant = ? AND kind != 'dismiss' ORDER BY at DESC LIMIT ?)"
    " GROUP BY item ORDER BY users DESC, item LIMIT ?"
)
_NEWEST_EVENTS = (
    # From tenant to tenant by the index, never over all of their events.
    "WITH RECURSIVE found (tenant) AS (SELECT min(tenant) FROM interactions UNION ALL"
    " SELECT (SELECT min(tenant) FROM interactions WHERE tenant > found.tenant) FROM found"
    " WHERE found.tenant IS NOT NULL)"
    " SELECT tenant, (SELECT max(id) FROM interactions AS own WHERE own.tenant = found.tenant) FROM found"
    " WHERE tenant IS NOT NULL"
)
_COUNT = "SELECT count(*) FROM interactions WHERE tenant = ? AND user = ?"


class JournalInteractions:
    """On the tables `interactions` and `catalogue`."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def record(self, tenant: str, events: Sequence[KeyedInteraction]) -> None:
        """Store events that are not there yet; returns when they are on disk."""
        for part in batches(events, _AT_ONCE):
            feedback = [row for each in part if (row := feedback_row(each.event))]
            rows = [_row(each) for each in part]
            given = ("interactions.add", rows), ("interactions.feedback", feedback)
            await self._journal.request([(name, (tenant, _json(rows))) for name, rows in given if rows])

    async def put_items(self, tenant: str, items: Sequence[CatalogueItem]) -> None:
        """Store items, or other fields of them; returns when they are on disk."""
        rows = [(item.id, orjson.dumps(item.fields).decode()) for item in items]
        for part in batches(rows, _AT_ONCE):
            await self._journal.request([("catalogue.put", (tenant, _json(part)))])

    async def forget(self, tenant: str, user: str) -> int:
        """Delete a user's events; returns how many there were."""
        ((count,),) = await self._rows(_COUNT, (tenant, user))
        for _ in range(0, count, _AT_ONCE):
            await self._journal.request([("interactions.forget", (tenant, user, _AT_ONCE))])
        return int(count)

    async def history(self, tenant: str, user: str, limit: int) -> list[Interaction]:
        """Return what a user did last, the newest first."""
        return [Interaction(*row) for row in await self._rows(_HISTORY, (tenant, user, limit))]

    async def items(self, tenant: str, ids: Sequence[str]) -> list[CatalogueItem]:
        """Return the items with these ids, in their order; those that are not there are left out."""

        def read(database: sqlite3.Connection) -> dict[str, CatalogueItem]:
            rows = database.execute(_ITEMS, (tenant, orjson.dumps(list(ids)).decode()))
            return {id: item_of(orjson.loads(fields)) for id, fields in rows}

        found = await self._journal.read(read)
        return [found[id] for id in ids if id in found]

    async def newest(self, tenant: str, limit: int) -> list[str]:
        """Return the ids of the items that came into the catalogue last, the newest first."""
        return [item for (item,) in await self._rows(_NEWEST, (tenant, limit))]

    async def popular(self, tenant: str, limit: int) -> list[tuple[str, int]]:
        """Return the items that most users turned to in the newest events."""
        return [(item, users) for item, users in await self._rows(_POPULAR, (tenant, _RECENT, limit))]

    async def newest_events(self) -> dict[str, int]:
        """Return every tenant that has events, each with the number of its newest one."""
        return dict(await self._rows(_NEWEST_EVENTS, ()))

    async def _rows(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        return await self._journal.read(lambda database: database.execute(sql, parameters).fetchall())


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps(rows).decode()


def _row(each: KeyedInteraction) -> tuple[object, ...]:
    event = each.event
    return each.key, event.user, event.item, event.kind, event.at, event.value, event.recommendation
