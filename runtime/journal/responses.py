"""Answers that a client may come back to by their id: what was asked, and what came of it."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import orjson

from runtime.errors import NoSuchResponse
from runtime.journal.sqlite import SqliteJournal
from runtime.types import JsonObject

_SELECT = (
    "SELECT tenant, id, created_at, request, run, answer, events FROM responses WHERE tenant = ? AND id = ?"
)
_SWEPT = 1000
"""Answers that one commit deletes at most: other writes wait for it."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One answer, under an id that is its tenant's own.

    `request` is what was asked, `run` the run that answers it ("" for a model), `answer` the whole answer
    once there is one, `events` its events where they are kept.
    """

    tenant: str
    id: str
    created_at: float
    request: JsonObject
    run: str = ""
    answer: JsonObject | None = None
    events: bytes = b""


class JournalResponses:
    """The table `responses`; `keep` are the seconds that an answer stays, None is for ever."""

    def __init__(self, journal: SqliteJournal, keep: float | None) -> None:
        self._journal, self._keep = journal, keep

    async def put(self, response: StoredResponse) -> None:
        """Store an answer, or replace it; returns when it is on disk."""
        answer = None if response.answer is None else orjson.dumps(response.answer)
        about = (response.tenant, response.id, response.created_at, orjson.dumps(response.request))
        await self._journal.request([("response.put", (*about, response.run, answer, response.events))])

    async def end(self, response: StoredResponse) -> None:
        """Store how an answer ended, unless it was deleted meanwhile."""
        row = (response.tenant, response.id, orjson.dumps(response.answer), response.events)
        await self._journal.submit([("response.end", row)])

    async def get(self, tenant: str, id: str) -> StoredResponse:
        """Return an answer; NoSuchResponse."""

        def query(database: sqlite3.Connection) -> Any:
            return database.execute(_SELECT, (tenant, id)).fetchone()

        if (row := await self._journal.read(query)) is None:
            raise _unknown(id)
        tenant, id, created_at, request, run, answer, events = row
        whole = None if answer is None else orjson.loads(answer)
        return StoredResponse(tenant, id, created_at, orjson.loads(request), run, whole, events)

    async def delete(self, tenant: str, id: str) -> None:
        """Delete an answer; NoSuchResponse."""
        if await self._journal.request([("response.delete", (tenant, id))]):
            raise _unknown(id)

    async def sweep(self) -> None:
        """Delete answers whose time is over, at most so many."""
        if self._keep is not None:
            await self._journal.submit([("responses.sweep", (time.time() - self._keep, _SWEPT))])


def _unknown(id: str) -> NoSuchResponse:
    return NoSuchResponse(
        f"There is no response {id[:64]}; it was never stored, deleted, or its time is over: ask again."
    )
