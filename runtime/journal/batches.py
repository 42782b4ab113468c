"""Batches and their rows in the journal's database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from runtime.batches.batch import Batch, BatchStatus, NewRow, Row, RowEnd, RowResult, RowStatus
from runtime.errors import Conflict, NotFound
from runtime.journal.log import Statements
from runtime.journal.sqlite import SqliteJournal

_BILLIONTHS = 1_000_000_000
_COLUMNS = (
    "id, tenant, graph, version, status, created_at, updated_at, concurrency, budget, file, sha256,"
    " idempotency_key, fingerprint, reason, rows, done, failed, waiting, cost, unpriced,"
    " coalesce((SELECT key FROM batch_keys WHERE batch = batches.id), '')"
)
_SELECT = f"SELECT {_COLUMNS} FROM batches"  # noqa: S608
_PENDING = (
    "SELECT row, input, line, problem, tries FROM batch_rows"
    " WHERE batch = ? AND row > ? AND status = 'pending' ORDER BY row LIMIT ?"
)
_RESULTS = (
    "SELECT row, input, status, result, cost, run, thread FROM batch_rows"
    " WHERE batch = ? AND row > ? ORDER BY row LIMIT ?"
)
_ANSWERED = (
    "SELECT batches.tenant, batch, row, run FROM batch_rows JOIN batches ON batches.id = batch"
    " LEFT JOIN runs ON runs.id = run"
    " WHERE batch_rows.status = 'waiting'"
    " AND coalesce(runs.status, '') NOT IN ('accepted', 'running', 'interrupted')"
)
_FORGOTTEN_AT_ONCE = 1000


class JournalBatches:
    """Every method that returns nothing returns after the commit."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def create(self, batch: Batch) -> None:
        """Store a new batch; Conflict when its idempotency key is in use."""
        row = (
            *(batch.id, batch.tenant, batch.graph, batch.version, batch.status, batch.created_at),
            *(batch.updated_at, batch.concurrency, batch.budget_usd, batch.file, batch.sha256),
            *(batch.idempotency_key, batch.fingerprint, batch.reason, 0, 0, 0, 0, 0, 0),
        )
        key = [("batch.key", (batch.id, batch.key))] if batch.key else []
        if await self._journal.request([("batch.create", row), *key]):
            raise Conflict("The batch was not made: its idempotency key is in use; send it again.")

    async def add(self, batch: str, first: int, rows: Sequence[NewRow]) -> None:
        """Store rows, the first of them with the number `first`; those that are there already stay."""
        added = [
            ("batch.add", (batch, number, row.line, orjson.dumps(row.input), row.problem))
            for number, row in enumerate(rows, first)
        ]
        await self._journal.request(added)

    async def batch(self, id: str) -> Batch | None:
        """Return a batch, or None."""
        return _one(await self._batches(" WHERE id = ?", id))

    async def of_key(self, tenant: str, key: str) -> Batch | None:
        """Return the batch a tenant made with this idempotency key, or None."""
        return _one(await self._batches(" WHERE tenant = ? AND idempotency_key = ?", tenant, key))

    async def of_file(self, tenant: str, graph: str, sha256: str) -> Batch | None:
        """Return the newest batch of a file and a graph that was not cancelled, or None."""
        where = " WHERE tenant = ? AND graph = ? AND sha256 = ? AND status <> 'cancelled'"
        return _one(await self._batches(f"{where} ORDER BY created_at DESC LIMIT 1", tenant, graph, sha256))

    async def of_tenant(self, tenant: str, limit: int, offset: int) -> list[Batch]:
        """List a tenant's batches, the newest first."""
        where = " WHERE tenant = ? ORDER BY created_at DESC, id LIMIT ? OFFSET ?"
        return await self._batches(where, tenant, limit, offset)

    async def running(self) -> list[Batch]:
        """Return every batch that is worked on, the oldest first."""
        return await self._batches(" WHERE status = 'running' ORDER BY created_at")

    async def untouched(self, before: float) -> list[Batch]:
        """Return the batches that nobody works on and that were changed last before a time."""
        return await self._batches(" WHERE status <> 'running' AND updated_at < ?", before)

    async def change(self, batch: Batch, status: BatchStatus, reason: str = "") -> Batch:
        """Store another status and what `batch` says of budget and concurrency.

        Conflict when its status is no longer the one in `batch`.
        """
        now = time.time()
        row = (batch.id, batch.status, status, reason, batch.budget_usd, batch.concurrency, now)
        if await self._journal.submit([("batch.change", row)]):
            raise Conflict(f"The batch {batch.id} was changed meanwhile; look at it, then try again.")
        return replace(batch, status=status, reason=reason, updated_at=now)

    async def pending(self, batch: str, after: int, limit: int) -> list[Row]:
        """Return the next rows that are to be run, in order."""
        rows = await self._rows(_PENDING, batch, after, limit)
        return [Row(number, orjson.loads(input), *rest) for number, input, *rest in rows]

    async def end_row(self, batch: str, row: int, end: RowEnd, expires_at: float | None) -> None:
        """Store what became of a row, and that its thread may go at `expires_at`, in one commit.

        What the row cost is summed up there, from the usage of its run.
        """
        await self._journal.submit(_ended("batch.end_row", batch, row, end, expires_at))

    async def answer_row(self, batch: str, row: int, end: RowEnd, expires_at: float | None) -> None:
        """Store what became of a row that waited with this run; any other row stays as it is."""
        await self._journal.submit(_ended("batch.answer_row", batch, row, end, expires_at))

    async def answered(self) -> list[tuple[str, str, int, str]]:
        """Return tenant, batch, row and run of rows that are said to wait, and whose run is over or gone."""
        return await self._rows(_ANSWERED)

    async def run_again(self, batch: str) -> None:
        """Let the rows that failed be run once more."""
        await self._journal.submit([("batch.again", (batch,))])

    async def results(self, batch: str, after: int, limit: int) -> list[RowResult]:
        """Return rows with their results, in order, those without one too."""
        return [
            RowResult(*(number, input, RowStatus(status), result or b"null", cost / _BILLIONTHS, run, thread))
            for number, input, status, result, cost, run, thread in await self._rows(
                _RESULTS, batch, after, limit
            )
        ]

    async def delete(self, batch: Batch) -> None:
        """Delete a batch and its rows, so many in one commit that others need not wait; NotFound."""
        for _ in range(0, batch.rows, _FORGOTTEN_AT_ONCE):
            await self._journal.submit([("batch.forget_rows", (batch.id, _FORGOTTEN_AT_ONCE))])
        if await self._journal.submit([("batch.forget", (batch.id,))]):
            raise NotFound(f"There is no batch {batch.id}; it may have been deleted.")

    async def _batches(self, where: str, *parameters: object) -> list[Batch]:
        return [_batch(row) for row in await self._rows(_SELECT + where, *parameters)]

    async def _rows(self, sql: str, *parameters: object) -> list[Any]:
        def query(database: sqlite3.Connection) -> list[Any]:
            return database.execute(sql, parameters).fetchall()

        return await self._journal.read(query)


def _ended(name: str, batch: str, row: int, end: RowEnd, expires_at: float | None) -> Statements:
    result = orjson.dumps(end.result, option=orjson.OPT_NON_STR_KEYS)
    ended = (name, (batch, row, end.status, end.run, end.thread, result))
    if not end.thread or expires_at is None:
        return [ended]
    return [ended, ("thread.expire", (end.thread, expires_at))]


def _one(found: Sequence[Batch]) -> Batch | None:
    return found[0] if found else None


def _batch(row: Any) -> Batch:
    id, tenant, graph, version, status, *rest, cost, unpriced, key = row
    return Batch(*(id, tenant, graph, version, BatchStatus(status), *rest, cost / _BILLIONTHS, unpriced, key))
