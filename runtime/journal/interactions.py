"""What users did with items, in the journal: written by the one writer, read by its reader threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from runtime.journal.sqlite import SqliteJournal
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
_NEWEST = "SELECT fields FROM catalogue WHERE tenant = ? ORDER BY id DESC LIMIT ?"
_POPULAR = (
    "SELECT item, count(DISTINCT user) AS users FROM (SELECT item, user FROM interactions"
    " WHERE tenant = ? AND kind != 'dismiss' ORDER BY at DESC LIMIT ?)"
    " GROUP BY item ORDER BY users DESC, item LIMIT ?"
)
_COUNT = "SELECT count(*) FROM interactions WHERE tenant = ? AND user = ?"


class JournalInteractions:
    """On the tables `interactions` and `catalogue`."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def record(self, tenant: str, events: Sequence[KeyedInteraction]) -> None:
        """Store events that are not there yet; returns when they are on disk."""
        await self._write("interactions.add", tenant, [_row(each) for each in events])

    async def put_items(self, tenant: str, items: Sequence[CatalogueItem]) -> None:
        """Store items, or other fields of them; returns when they are on disk."""
        rows = [(item.id, orjson.dumps(item.fields).decode()) for item in items]
        await self._write("catalogue.put", tenant, rows)

    async def _write(self, statement: str, tenant: str, rows: Sequence[Any]) -> None:
        for part in batches(rows, _AT_ONCE):
            await self._journal.request([(statement, (tenant, orjson.dumps(part).decode()))])

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

    async def newest(self, tenant: str, limit: int) -> list[CatalogueItem]:
        """Return the items that came into the catalogue last, the newest first."""
        return [item_of(orjson.loads(row)) for (row,) in await self._rows(_NEWEST, (tenant, limit))]

    async def popular(self, tenant: str, limit: int) -> list[tuple[str, int]]:
        """Return the items that most users turned to in the newest events."""
        return [(item, users) for item, users in await self._rows(_POPULAR, (tenant, _RECENT, limit))]

    async def _rows(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        return await self._journal.read(lambda database: database.execute(sql, parameters).fetchall())


def _row(each: KeyedInteraction) -> tuple[object, ...]:
    event = each.event
    return each.key, event.user, event.item, event.kind, event.at, event.value, event.recommendation
