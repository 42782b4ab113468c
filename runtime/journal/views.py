"""The views: threads, runs, sums of usage and of facts, read without reading the log, and rebuilt from it."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from runtime.journal.sqlite import SqliteJournal, unobserved
from runtime.records import Fact, ModelCall, RunsQuery, UsageQuery
from runtime.types import JsonObject, Usage

_PAGE = 200
"""Threads that are rebuilt at the same time: other writes wait for no more than these."""
_BILLIONTHS = 1_000_000_000
_MOST = 1 << 53
_CLASS = re.compile(r"[\w .:/+-]{1,40}")
_FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter", "incomplete"})

_COUNT = (
    "SELECT (SELECT count(*) FROM view_threads), (SELECT count(*) FROM view_runs),"
    " (SELECT count(*) FROM view_usage), (SELECT count(*) FROM view_facts)"
)
_SUMS = ("calls", "failed", "unpriced", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_THREADS = ("thread", "tenant", "created_at", "updated_at", "runs", "run", "graph", "status")
_RUNS = (
    *("run", "thread", "tenant", "graph", "version", "status", "attempt"),
    *("accepted_at", "updated_at", "started_at", "ended_at", "error", "step", "canary"),
)


class JournalViews:
    """Times are Unix milliseconds, as in events; days are those of UTC."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    def record(self, call: ModelCall) -> None:
        """Take down what a model call used; does not wait.

        What its step gives is written after it, so no result is on disk whose usage is not.
        """
        row = (int(call.at * 1000), call.tenant, call.thread, call.run, call.alias, call.model)
        finish = call.finish if call.finish in _FINISHES or not call.finish else "other"
        numbers = (*_counts(call.usage), _cost(call.usage), int(call.seconds * 1000))
        statements: list[tuple[str, tuple[Any, ...]]] = [("usage", (*row, finish, *numbers))]
        if call.key and (cost := _cost(call.usage)):
            day = datetime.fromtimestamp(call.at, UTC).date().isoformat()
            statements.append(("key.spend", (call.key, day, cost)))
        unobserved(self._journal.submit(statements, urgent=False))

    def note(self, fact: Fact) -> None:
        """Take down what a scorer, recommender, guardrail or person gave; does not wait."""
        row = (int(fact.at * 1000), fact.tenant, fact.run, fact.graph, fact.kind, fact.name)
        named = (_class(fact.version), _class(fact.label), _billionths(fact.number), fact.key)
        unobserved(self._journal.submit([("fact", (*row, *named))], urgent=False))

    async def usage(self, query: UsageQuery) -> list[JsonObject]:
        """Return the sums of each group, in the order of the groups; costs in US dollars."""
        groups = list(dict.fromkeys(query.group))
        sums = [f"coalesce(sum({name}), 0)" for name in (*_SUMS, "cost", "ms")]
        by = ", ".join(groups)
        order = f" GROUP BY {by} ORDER BY {by}" if groups else ""
        sql = (
            f"SELECT {', '.join((*groups, *sums))} FROM view_usage WHERE (?1 IS NULL OR tenant = ?1)"  # noqa: S608
            f" AND day >= ?2 AND day <= ?3{order}"
        )
        rows = await self._rows(sql, (query.tenant, query.first or "", query.last or "9999-12-31"))
        return [_used(dict(zip((*groups, *_SUMS, "cost", "ms"), row, strict=True))) for row in rows]

    async def spent(self, key: str, first: str) -> float:
        """Return the US dollars that the calls of an API key have cost since a day (ISO 8601)."""
        sql = "SELECT coalesce(sum(cost), 0) FROM key_spending WHERE key = ? AND day >= ?"
        ((cost,),) = await self._rows(sql, (key, first))
        return float(cost) / _BILLIONTHS

    async def threads(self, tenant: str | None = None, limit: int = 20) -> list[JsonObject]:
        """List threads, the latest changed first, with their newest run."""
        sql = f"SELECT {', '.join(_THREADS)} FROM view_threads WHERE (?1 IS NULL OR tenant = ?1)"  # noqa: S608
        rows = await self._rows(sql + " ORDER BY updated_at DESC, thread LIMIT ?2", (tenant, limit))
        return [dict(zip(_THREADS, row, strict=True)) for row in rows]

    async def runs(self, query: RunsQuery) -> list[JsonObject]:
        """List runs, the latest accepted first."""
        wanted = {name: getattr(query, name) for name in ("tenant", "thread", "graph", "status")}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "1"
        sql = f"SELECT {', '.join(_RUNS)} FROM view_runs WHERE {where} ORDER BY accepted_at DESC, run LIMIT ?"  # noqa: S608
        rows = await self._rows(sql, (*given.values(), query.limit))
        found = [dict(zip(_RUNS, row, strict=True)) for row in rows]
        return [{**run, "canary": bool(run["canary"])} for run in found]

    # ----------------------------------------------------------------- rebuilding

    async def rebuild(self) -> JsonObject:
        """Empty the views and fold the whole log; returns how many rows each has then.

        Each thread and each day is emptied and folded in one commit, between the commits of others: it
        can be done while runs work, and nobody sees an empty view.
        """
        await self._journal.request([("views.forget_strays", ()), ("views.forget_stray_runs", ())])
        last = ""
        while page := await self._rows(
            "SELECT id FROM threads WHERE id > ? ORDER BY id LIMIT ?", (last, _PAGE)
        ):
            await asyncio.gather(*(self._journal.submit(_thread(thread)) for (thread,) in page))
            last = page[-1][0]
        for log in ("usage", "facts"):
            for day in await self._days(log):
                again = [(f"views.forget_{log}", (day,)), (f"views.{log}", _bounds(day))]
                await self._journal.submit(again)
        (row,) = await self._rows(_COUNT, ())
        return dict(zip(("threads", "runs", "usage", "facts"), row, strict=True))

    async def _days(self, log: str) -> list[str]:
        """Return every day that has usage, or facts, in the log or in the view."""
        first_and_last = (
            f"SELECT date(min(at) / 1000, 'unixepoch'), date(max(at) / 1000, 'unixepoch') FROM {log}"  # noqa: S608
        )
        ((first, last),) = await self._rows(first_and_last, ())
        found = {day for (day,) in await self._rows(f"SELECT DISTINCT day FROM view_{log}", ())}  # noqa: S608
        if first is not None:
            begin, end = date.fromisoformat(first), date.fromisoformat(last)
            found |= {(begin + timedelta(days)).isoformat() for days in range((end - begin).days + 1)}
        return sorted(found)

    async def _rows(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        return await self._journal.read(lambda database: database.execute(sql, parameters).fetchall())


def _thread(thread: str) -> list[tuple[str, tuple[object, ...]]]:
    names = ("views.forget_thread", "views.forget_runs", "views.begin", "views.runs")
    return [(name, (thread,)) for name in names]


def _bounds(day: str) -> tuple[int, int]:
    """Return the first millisecond of a day and of the next."""
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return int(begin.timestamp()) * 1000, int((begin + timedelta(days=1)).timestamp()) * 1000


def _counts(usage: Usage) -> list[int]:
    """Return token counts, 0 for what a provider gave instead of a count."""
    given = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    return [value if type(value) is int and 0 <= value < _MOST else 0 for value in given]


def _cost(usage: Usage) -> int | None:
    """Return the cost in billionths of a US dollar; None when it is not known."""
    cost = _billionths(usage.cost_usd)
    return cost if cost is not None and cost >= 0 else None


def _billionths(number: object) -> int | None:
    known = isinstance(number, int | float) and math.isfinite(number) and abs(number) < _MOST / _BILLIONTHS
    return round(number * _BILLIONTHS) if known else None  # type: ignore[operator]


def _class(name: str) -> str:
    """Return a short name of a class; a text is none."""
    return name if _CLASS.fullmatch(name) else ""


def _used(sums: JsonObject) -> JsonObject:
    cost, ms = sums.pop("cost"), sums.pop("ms")
    return {**sums, "cost_usd": cost / _BILLIONTHS, "seconds": ms / 1000}
