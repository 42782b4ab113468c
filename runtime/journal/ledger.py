"""The ledger of what runs do outside: the intent before, the result after, and that it was undone."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from runtime.errors import Conflict
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Effect
from runtime.types import JsonObject

_SELECT = (
    "SELECT run, task, step, namespace, key, seen, state, tries, result FROM effects"
    " WHERE run = ? AND state IN ('begun', 'done') ORDER BY id DESC"
)

_STEPS = (
    "SELECT count(*) FROM events"
    " WHERE thread = (SELECT thread FROM runs WHERE id = ?1) AND run = ?1 AND method = 'updates'"
)
_COST = "SELECT coalesce(sum(cost), 0) FROM usage WHERE run = ?1"


class JournalLedger:
    """`ports.Ledger` in the journal's database; a run's entries go with the commit that ends it."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def begin(self, effect: Effect, fence: int) -> None:
        """Note what a step is about to do; returns when it is on disk."""
        row = (effect.run, effect.task, effect.step, "|".join(effect.namespace), effect.key)
        if await self._journal.submit([("effect.begin", (*row, orjson.dumps(effect.values), fence))]):
            raise Conflict(f"The run {effect.run} may not act any more; look for its newer attempt.")

    async def settle(self, effect: Effect) -> None:
        """Note what has become of it."""
        row = (effect.run, effect.task, effect.state, effect.tries, orjson.dumps(effect.result))
        await self._journal.submit([("effect.settle", row)])

    async def effects(self, run: str) -> list[Effect]:
        """Return what a run has done or may have done, and what is not undone, the newest first."""

        def query(database: sqlite3.Connection) -> list[Effect]:
            return [_effect(row) for row in database.execute(_SELECT, (run,))]

        await self._journal.barrier()
        return await self._journal.read(query)

    async def used(self, run: str) -> tuple[int, float]:
        """Return how many steps a run has taken so far, and what its models cost, in US dollars."""

        def query(database: sqlite3.Connection) -> tuple[int, float]:
            (steps,) = database.execute(_STEPS, (run,)).fetchone()
            (billionths,) = database.execute(_COST, (run,)).fetchone()
            return steps, billionths / 1e9

        return await self._journal.read(query)

    async def end(self, run: str, ending: JsonObject, *, waiting: bool = False) -> None:
        """Note how a run ends once it is undone; Conflict when it was `waiting` and somebody has answered."""
        put = ("ending.put", (run, orjson.dumps(ending)))
        if await self._journal.submit([("run.answered", (run,)), put] if waiting else [put]):
            raise Conflict(f"The run {run} was answered by somebody else; cancel it again.")

    async def ending(self, run: str) -> JsonObject | None:
        """Return how a run ends once it is undone; None when nobody has begun to undo it."""

        def query(database: sqlite3.Connection) -> JsonObject | None:
            row = database.execute("SELECT ending FROM endings WHERE run = ?", (run,)).fetchone()
            return orjson.loads(row[0]) if row else None

        return await self._journal.read(query)


def _effect(row: Any) -> Effect:
    run, task, step, namespace, key, seen, state, tries, result = row
    inside = tuple(namespace.split("|")) if namespace else ()
    value = orjson.loads(result) if result else None
    return Effect(run, task, step, inside, key, orjson.loads(seen), state, tries, value)
