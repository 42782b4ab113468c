"""The store's items in the journal: written by the one writer, read by its reader threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import orjson

from runtime.errors import TooLarge
from runtime.journal.sqlite import SqliteJournal, unobserved
from runtime.records import ItemsWhere, ItemVectors, ItemWrite, StoredItem

T = TypeVar("T")

_LARGEST_PAGE = 16 << 20
_SWEPT = 1000
"""Items that one commit deletes at most: other writes wait for it."""
_COLUMNS = "items.id, tenant, namespace, key, value, created_at, updated_at, fields, ttl"
_VALUE = 4
_ALIVE = "(expires_at IS NULL OR expires_at > ?)"
_FINDABLE = "AND fields IS NOT NULL"


class JournalItems:
    """`ports.Items` on the tables `items` and `item_vectors`."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def write(self, tenant: str, writes: Sequence[ItemWrite]) -> None:
        """Carry out all writes in one commit; returns when it is on disk."""
        await self._journal.request([part for write in writes for part in _statements(tenant, write)])

    async def item(self, tenant: str, namespace: tuple[str, ...], key: str, now: float) -> StoredItem | None:
        """Return one item, or None."""
        sql = f"SELECT {_COLUMNS} FROM items WHERE tenant = ? AND namespace = ? AND key = ? AND {_ALIVE}"  # noqa: S608
        found = await self._journal.read(
            lambda database: database.execute(sql, (tenant, _text(namespace), key, now)).fetchone()
        )
        return _item(found) if found else None

    async def items(self, tenant: str, ids: Sequence[int], now: float) -> list[StoredItem]:
        """Return the items that are still there, in the order of `ids`."""
        sql = (
            f"SELECT {_COLUMNS} FROM items"  # noqa: S608
            f" WHERE id IN (SELECT value FROM json_each(?)) AND tenant = ? AND {_ALIVE}"
        )
        page = await self._journal.read(
            lambda database: _page(database.execute(sql, (_list(ids), tenant, now)))
        )
        found = {item.id: item for item in page}
        return [found[id] for id in ids if id in found]

    async def latest(self, tenant: str, where: ItemsWhere, *, limit: int, offset: int) -> list[StoredItem]:
        """Return a page of items, the latest written first."""
        sql = f"SELECT value, {_COLUMNS} FROM items"  # noqa: S608

        def page(database: sqlite3.Connection) -> list[StoredItem]:
            rows = _rows(database, sql, (), tenant, where, "ORDER BY updated_at DESC, items.id DESC")
            return _page(row[1:] for row in islice(rows, offset, offset + limit))

        return await self._journal.read(page)

    async def rank_vectors(
        self,
        tenant: str,
        where: ItemsWhere,
        space: str,
        rank: Callable[[Iterator[tuple[int, bytes | None]]], T],
    ) -> T:
        """Hand id and vectors of the items that a query may find to `rank`; None: none in this space."""
        vectors = "LEFT JOIN item_vectors ON item = items.id AND space = ?"
        sql = f"SELECT value, items.id, vectors FROM items {vectors}"  # noqa: S608

        def ranked(database: sqlite3.Connection) -> T:
            rows = _rows(database, sql, (space,), tenant, where, _FINDABLE)
            return rank((id, vectors) for _, id, vectors in rows)

        return await self._journal.read(ranked)

    async def rank_values(
        self, tenant: str, where: ItemsWhere, rank: Callable[[Iterator[tuple[int, bytes, bytes]]], T]
    ) -> T:
        """Hand id, value and fields, both JSON, of the items that a query may find to `rank`."""
        sql = "SELECT value, items.id, fields FROM items"

        def ranked(database: sqlite3.Connection) -> T:
            rows = _rows(database, sql, (), tenant, where, _FINDABLE)
            return rank((id, value, fields) for value, id, fields in rows)

        return await self._journal.read(ranked)

    async def namespaces(self, tenant: str, now: float) -> list[tuple[str, ...]]:
        """Return every namespace that holds an item, in no order."""
        sql = f"SELECT DISTINCT namespace FROM items WHERE tenant = ? AND {_ALIVE}"  # noqa: S608
        rows = await self._journal.read(lambda database: database.execute(sql, (tenant, now)).fetchall())
        return [_namespace(text) for (text,) in rows]

    def touch(self, ids: Sequence[int], now: float) -> None:
        """Let the time of these items begin anew; does not wait."""
        unobserved(self._journal.submit([("items.touch", (_list(ids), now))]))

    async def without_vectors(self, space: str, now: float, limit: int) -> list[StoredItem]:
        """Return items of all tenants that have no vectors in this space."""
        sql = (
            f"SELECT {_COLUMNS} FROM items LEFT JOIN item_vectors ON item = items.id AND space = ?"  # noqa: S608
            f" WHERE item IS NULL AND fields IS NOT NULL AND {_ALIVE} LIMIT ?"
        )
        rows = await self._journal.read(
            lambda database: database.execute(sql, (space, now, limit)).fetchall()
        )
        return [_item(row) for row in rows]

    async def put_vectors(self, item: StoredItem, vectors: ItemVectors) -> None:
        """Store the vectors of an item, unless it was written again meanwhile."""
        address = (item.tenant, _text(item.namespace), item.key, item.updated_at)
        await self._journal.submit([("item.vectors", (*address, vectors.space, vectors.data))])

    async def sweep(self, now: float) -> int:
        """Delete the items whose time is up; returns how many."""
        sql = "SELECT count(*) FROM items WHERE expires_at <= ?"
        (count,) = await self._journal.read(lambda database: database.execute(sql, (now,)).fetchone())
        for _ in range(0, count, _SWEPT):
            await self._journal.submit([("items.sweep", (now, _SWEPT))])
        return int(count)


def _statements(tenant: str, write: ItemWrite) -> Iterator[tuple[str, tuple[object, ...]]]:
    address = (tenant, _text(write.namespace), write.key)
    if write.value is None:
        yield "item.delete", address
        return
    fields = None if write.fields is None else _list(write.fields)
    yield "item.put", (*address, write.value, fields, write.at, write.ttl)
    if write.vectors is not None:
        yield "item.vectors", (*address, write.at, write.vectors.space, write.vectors.data)


def _rows(
    database: sqlite3.Connection,
    sql: str,
    parameters: tuple[object, ...],
    tenant: str,
    where: ItemsWhere,
    rest: str,
) -> Iterator[Any]:
    """Yield the rows of a SELECT whose first column is the value, but those that are not accepted."""
    sql += f" WHERE tenant = ? AND {_ALIVE}"
    parameters = (*parameters, tenant, where.now)
    if first := _text(where.prefix):
        # As a range: 'a/' comes after every text that begins with 'a.'.
        sql += " AND namespace >= ? AND namespace < ?"
        parameters = (*parameters, first, f"{first[:-1]}/")
    for name, value in where.equal.items():
        # Truth is 1 to SQLite: what it lets through too much, `accept` sees.
        sql += " AND json_extract(CAST(value AS TEXT), ?) = ?"
        parameters = (*parameters, f'$."{name}"', value)
    rows = database.execute(f"{sql} {rest}", parameters)
    accept = where.accept
    return rows if accept is None else (row for row in rows if accept(orjson.loads(row[0])))


def _page(rows: Iterable[Any]) -> list[StoredItem]:
    """Return items; TooLarge when their values together would hold up everybody else."""
    found, size = [], 0
    for row in rows:
        size += len(row[_VALUE])
        if size > _LARGEST_PAGE:
            raise TooLarge(
                f"The items of this page have over {_LARGEST_PAGE >> 20} MiB; ask for fewer at once."
            )
        found.append(_item(row))
    return found


def _text(namespace: tuple[str, ...]) -> str:
    return "".join(f"{label}." for label in namespace)


def _namespace(text: str) -> tuple[str, ...]:
    return tuple(text[:-1].split("."))


def _list(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()


def _item(row: Any) -> StoredItem:
    id, tenant, namespace, key, value, created_at, updated_at, fields, ttl = row
    paths = None if fields is None else tuple(orjson.loads(fields))
    return StoredItem(
        id, tenant, _namespace(namespace), key, orjson.loads(value), created_at, updated_at, paths, ttl
    )
