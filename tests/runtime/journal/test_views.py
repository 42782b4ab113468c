"""Views are what a plain reading of the log gives, live and rebuilt, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import Conflict
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.views import JournalViews
from runtime.records import Fact, ModelCall, Run, RunsQuery, RunStatus, Thread, UsageQuery
from runtime.runs.run import lifecycle
from runtime.types import Event, Usage

S = RunStatus
ENDINGS = [S.SUCCESS, S.ERROR, S.CANCELLED, S.TIMEOUT, S.INTERRUPTED]
USAGE = (
    "calls",
    "failed",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "ms",
)

VIEWS = ("view_threads", "view_runs", "view_usage", "view_facts")

PLACES = st.integers(0, 3)
STEPS = st.lists(
    st.tuples(st.just("thread"))
    | st.tuples(st.just("accept"), PLACES, st.sampled_from(["ask", "write"]))
    | st.tuples(st.just("claim"), PLACES)
    | st.tuples(st.just("end"), PLACES, st.sampled_from(ENDINGS))
    | st.tuples(st.just("say"), PLACES)
    | st.tuples(st.just("clash"), PLACES)
    | st.tuples(
        st.just("call"), PLACES, st.sampled_from(["a:1", "b:2"]), st.sampled_from([None, 0.1, 1e-9, 2.5])
    )
    | st.tuples(st.just("call outside"), st.integers(0, 3))
    | st.tuples(
        st.just("note"),
        PLACES,
        st.sampled_from(["hot", ""]),
        st.sampled_from([None, 0.25, 1e-9]),
        st.sampled_from([None, "a", "b"]),
    )
    | st.tuples(st.just("delete"), PLACES),
    max_size=30,
)


@dataclass
class World:
    """Plays steps on a journal, and reads the log the plain way beside it."""

    journal: SqliteJournal
    views: JournalViews
    tenant: str = field(default_factory=lambda: uuid.uuid4().hex)
    threads: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    usage: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    facts: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    noted: set[tuple[str, str]] = field(default_factory=set)
    past: list[tuple[Any, ...]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    clock: Iterator[int] = field(default_factory=lambda: count(1_700_000_000_000, 7_000_003))

    async def play(self, steps: Any) -> None:
        for name, *parts in steps:
            await getattr(self, f"_{name.replace(' ', '_')}")(*parts)
        await self.journal.barrier()

    async def _thread(self) -> None:
        at = next(self.clock)
        thread = Thread(f"{self.tenant}:{len(self.positions)}", self.tenant, {}, at / 1000, at / 1000)
        await self.journal.create_thread(thread)
        self.positions[thread.id] = 0
        made = int(at / 1000 * 1000)
        self.threads[thread.id] = {
            "created_at": made,
            "updated_at": made,
            "runs": 0,
            "run": None,
            "graph": None,
            "status": None,
        }

    async def _accept(self, place: int, graph: str) -> None:
        if not (thread := self._some(self.threads, place)):
            return
        at = next(self.clock)
        run = Run(uuid.uuid4().hex, thread, self.tenant, graph, "v1", S.ACCEPTED, {}, at / 1000, at / 1000)
        event = self._event(run, S.ACCEPTED, at)
        await self.journal.accept(run, [event], thread=Thread(thread, self.tenant, {}, 0, 0), new=False)
        self.positions[thread] += 1
        self.runs[run.id] = {
            "thread": thread, "graph": graph, "version": "v1", "status": "accepted", "attempt": 1,
            "accepted_at": at, "updated_at": at, "started_at": None, "ended_at": None,
            "error": None, "step": None, "canary": False,
        }  # fmt: skip
        known = self.threads[thread]
        known |= {
            "updated_at": at,
            "runs": known["runs"] + 1,
            "run": run.id,
            "graph": graph,
            "status": "accepted",
        }

    async def _claim(self, place: int) -> None:
        await self._change(place, S.RUNNING)

    async def _end(self, place: int, status: RunStatus) -> None:
        await self._change(place, status)

    async def _change(self, place: int, status: RunStatus) -> None:
        if not (id := self._some(self.runs, place)):
            return
        known, at = self.runs[id], next(self.clock)
        failed = {"message": "No.", "code": "model_error", "step": "write"} if status is S.ERROR else None
        assert (
            await self.journal.append(known["thread"], [self._event(self._run(id), status, at, error=failed)])
            == ""
        )
        self.positions[known["thread"]] += 1
        known |= {
            "status": status.value,
            "updated_at": at,
            "started_at": known["started_at"] or (at if status is S.RUNNING else None),
            "ended_at": None if status in (S.RUNNING, S.INTERRUPTED) else at,
            "error": failed and failed["code"],
            "step": failed and failed["step"],
        }
        thread = self.threads[known["thread"]]
        thread["updated_at"] = at
        if thread["run"] == id:
            thread["status"] = status.value

    async def _say(self, place: int) -> None:
        """Append what is about no run's status: a custom event, and the lifecycle of a nested graph."""
        if not (id := self._some(self.runs, place)):
            return
        thread = self.runs[id]["thread"]
        nested = replace(self._event(self._run(id), S.SUCCESS, 1), namespace=("step:1",))
        custom = replace(nested, method="custom", seq=nested.seq + 1, position=nested.position + 1)
        assert await self.journal.append(thread, [nested, custom]) == ""
        self.positions[thread] += 2

    async def _clash(self, place: int) -> None:
        """Append at a position that is taken, together with one that is not: neither is there."""
        if not (id := self._some(self.runs, place)):
            return
        free = self._event(self._run(id), S.TIMEOUT, 5)
        assert await self.journal.append(free.thread, [free, replace(free, seq=free.seq + 1)]) == "conflict"

    async def _call(self, place: int, model: str, cost: float | None) -> None:
        if not (id := self._some(self.runs, place)):
            return
        at = next(self.clock)
        finish = "" if cost == 2.5 else "stop"
        usage = Usage(3, 2, 1, 1, cost)
        self.views.record(
            ModelCall(
                at / 1000, 1.5, self.tenant, self.runs[id]["thread"], id, "writer", model, finish, usage
            )
        )
        self._count(at, self.runs[id]["graph"], model, usage, failed=not finish)

    async def _call_outside(self, days: int) -> None:
        at = next(self.clock) + days * 86_400_000
        self.views.record(
            ModelCall(at / 1000, 1.5, self.tenant, "", "", "writer", "a:1", "stop", Usage(3, 2, 1, 1, 0.0))
        )
        self._count(at, "", "a:1", Usage(3, 2, 1, 1, 0.0), failed=False)

    def _count(self, at: int, graph: str, model: str, usage: Usage, *, failed: bool) -> None:
        day = datetime.fromtimestamp(at // 1000, UTC).date().isoformat()
        known = self.usage.setdefault((day, graph, model), dict.fromkeys(USAGE, 0))
        cost = round((usage.cost_usd or 0) * 1e9)
        for name, value in zip(
            USAGE, (1, failed, usage.cost_usd is None, 3, 2, 1, 1, cost, 1500), strict=True
        ):
            known[name] += value

    async def _note(self, place: int, label: str, number: float | None, key: str | None) -> None:
        if not (id := self._some(self.runs, place)):
            return
        at, graph = next(self.clock), self.runs[id]["graph"]
        self.views.note(Fact(at / 1000, self.tenant, id, graph, "score", "fit", label, number, "3", key))
        if key and (id, key) in self.noted:
            return
        self.noted.add((id, key or ""))
        day = datetime.fromtimestamp(at // 1000, UTC).date().isoformat()
        known = self.facts.setdefault((day, graph, label), [0, 0, 0])
        for place, more in enumerate((1, number is not None, round((number or 0) * 1e9))):
            known[place] += more

    async def _delete(self, place: int) -> None:
        if thread := self._some(self.threads, place):
            await self.journal.delete_thread(thread)
            del self.threads[thread]
            names = ("graph", "status", "accepted_at", "started_at", "ended_at", "error")
            self.past += [
                (id, *(run[name] for name in names))
                for id, run in self.runs.items()
                if run["thread"] == thread
            ]
            self.runs = {id: run for id, run in self.runs.items() if run["thread"] != thread}

    def _run(self, id: str) -> Run:
        known = self.runs[id]
        return Run(id, known["thread"], self.tenant, known["graph"], "v1", S.RUNNING, {}, 0, 0)

    def _event(self, run: Run, status: RunStatus, at: int, **more: Any) -> Event:
        position = self.positions[run.thread] + 1
        draft = lifecycle(run, status, attempt=1, **more)
        return Event(run.thread, position * 10, draft.method, draft.data, run.id, at, (), position)

    def _some(self, known: dict[str, Any], place: int) -> str:
        return list(known)[place % len(known)] if known else ""

    # ----------------------------------------------------------------- what is compared

    def expected(self) -> dict[str, Any]:
        return {
            "threads": dict(sorted(self.threads.items())),
            "runs": dict(sorted(self.runs.items())),
            "usage": dict(sorted(self.usage.items())),
            "facts": dict(sorted(self.facts.items())),
            "past": sorted(self.past),
        }

    async def found(self) -> dict[str, Any]:
        def read(database: sqlite3.Connection) -> dict[str, Any]:
            threads, runs, usage = (
                [dict(zip([each[0] for each in cursor.description], row, strict=True)) for row in cursor]
                for cursor in (
                    database.execute(
                        f"SELECT * FROM {table} WHERE tenant = ? ORDER BY {order}", (self.tenant,)
                    )
                    for table, order in (
                        ("view_threads", "thread"),
                        ("view_runs", "run"),
                        ("view_usage", "day, graph, model"),
                    )
                )
            )
            return {
                "threads": {row.pop("thread"): row for row in threads if row.pop("tenant")},
                "runs": {row.pop("run"): row for row in runs if row.pop("tenant")},
                "usage": {
                    (row["day"], row["graph"], row["model"]): {name: row[name] for name in USAGE}
                    for row in usage
                },
                "facts": {
                    row[:3]: list(row[3:])
                    for row in database.execute(
                        "SELECT day, graph, label, facts, numbers, total FROM view_facts"
                        " WHERE tenant = ? AND (kind, name, version) = ('score', 'fit', '3') ORDER BY 1,2,3",
                        (self.tenant,),
                    )
                },
                "past": database.execute(
                    "SELECT run, graph, status, accepted_at, started_at, ended_at, error FROM past_runs"
                    " WHERE tenant = ? ORDER BY run",
                    (self.tenant,),
                ).fetchall(),
            }

        return await self.journal.read(read)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, SqliteJournal, Path]]:
    """One journal for all examples: each is a tenant of its own."""
    path: Path = tmp_path_factory.mktemp("views") / "hubbub.db"
    with asyncio.Runner() as runner:
        journal = SqliteJournal(path, durability="normal")
        runner.run(journal.open())
        yield runner, journal, path
        runner.run(journal.aclose())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(STEPS, st.sampled_from(["nothing", "emptied", "wrong", "strays"]), STEPS)
def test_live_and_rebuilt_views_are_what_the_log_says(
    shared: Any, before: Any, damage: str, after: Any
) -> None:
    runner, journal, path = shared
    world = World(journal, JournalViews(journal))

    async def example() -> None:
        await world.play(before)
        assert await world.found() == world.expected()
        _damage(path, world.tenant, damage)
        await world.views.rebuild()
        assert await world.found() == world.expected()
        await world.play(after)
        assert await world.found() == world.expected()
        await world.views.rebuild()
        assert await world.found() == world.expected()
        for thread in list(world.threads):
            await journal.delete_thread(thread)

    runner.run(example())


def _damage(path: Path, tenant: str, how: str) -> None:
    """Spoil this tenant's rows of the views, past the journal."""
    spoil = {
        "nothing": (),
        "emptied": ("DELETE FROM {} WHERE tenant = ?1",),
        "wrong": (
            "UPDATE view_runs SET status = 'success', started_at = 1 WHERE tenant = ?1",
            "UPDATE view_threads SET runs = 77, status = NULL WHERE tenant = ?1",
            "UPDATE view_usage SET cost = cost + 1, calls = 0 WHERE tenant = ?1",
            "UPDATE view_facts SET total = total + 1, facts = 0 WHERE tenant = ?1",
        ),
        "strays": (
            "INSERT INTO view_threads VALUES (?1 || 'x', ?1, 1, 1, 1, 'r', 'g', 'error')",
            "INSERT INTO view_runs (run, thread, tenant, status, accepted_at, updated_at)"
            " VALUES ('r', ?1 || 'x', ?1, 'error', 1, 1)",
            "INSERT INTO view_usage VALUES (?1, '2001-01-01', 'g', 'm', 1, 0, 0, 1, 1, 0, 0, 5, 1)",
            "INSERT INTO view_facts VALUES (?1, '2001-01-01', 'g', 'score', 'fit', '3', 'hot', 1, 1, 5)",
        ),
    }[how]
    with sqlite3.connect(path, timeout=30) as database:
        for sql in spoil:
            for table in VIEWS if "{}" in sql else ("",):
                database.execute(sql.format(table), (tenant,))


# --------------------------------------------------------------------------- beside each other


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    journal = SqliteJournal(tmp_path / "hubbub.db", durability="normal")
    await journal.open()
    yield World(journal, JournalViews(journal))
    await journal.aclose()


async def test_a_rebuild_beside_running_writes_misses_none_and_doubles_none(world: World) -> None:
    await world.play([("thread",)] * 4 + [("accept", place, "ask") for place in range(4)])
    steps = [("claim", n) if n % 3 else ("call", n, "a:1", 0.1) for n in range(300)]
    playing = asyncio.create_task(world.play(steps))
    while not playing.done():
        await world.views.rebuild()
    await playing
    assert await world.found() == world.expected()


async def test_views_are_in_step_when_the_writer_is_killed(world: World) -> None:
    await world.play([("thread",)] * 3)
    for round in range(3):
        await world.play([("accept", place, "ask") for place in range(3)])
        steps = [("claim", n) if n % 2 else ("call", n, "b:2", None) for n in range(60)]
        playing = asyncio.create_task(world.play(steps))
        while (
            not playing.done()
            and world.usage
            and sum(row["calls"] for row in world.usage.values()) < 20 * round
        ):
            await asyncio.sleep(0)
        os.kill(world.journal._log._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        await playing
        assert await world.found() == world.expected()
    await world.views.rebuild()
    assert await world.found() == world.expected()


async def test_a_refused_acceptance_leaves_no_trace_in_the_views(world: World) -> None:
    await world.play([("thread",), ("accept", 0, "ask")])
    thread = Thread(next(iter(world.threads)), world.tenant, {}, 0, 0)
    run = Run("new", thread.id, world.tenant, "ask", "v1", S.ACCEPTED, {}, 1, 1)
    event = replace(world._event(run, S.ACCEPTED, 9), position=7)
    with pytest.raises(Conflict):
        await world.journal.accept(run, [event], thread=thread, new=False)
    assert await world.found() == world.expected()


# --------------------------------------------------------------------------- reading


async def test_usage_is_summed_by_what_is_asked_and_outlives_its_threads(world: World) -> None:
    await world.play([("thread",), ("accept", 0, "ask"), ("call", 0, "a:1", 0.1), ("call", 0, "b:2", None)])
    await world.play([("call", 0, "a:1", 2.5), ("delete", 0), ("call outside", 0)])
    rows = await world.views.usage(UsageQuery(("model",)))
    assert [row["model"] for row in rows] == ["a:1", "b:2"]
    assert rows[0] == {
        "model": "a:1", "calls": 3, "failed": 1, "unpriced": 0, "input_tokens": 9, "output_tokens": 6,
        "cached_tokens": 3, "reasoning_tokens": 3, "cost_usd": 2.6, "seconds": 4.5,
    }  # fmt: skip
    (total,) = await world.views.usage(UsageQuery())
    assert (total["calls"], total["unpriced"]) == (4, 1)
    assert await world.views.usage(UsageQuery(("day",), tenant="other")) == []
    assert await world.views.usage(UsageQuery(("day",), last="2000-01-01")) == []
    by_graph = await world.views.usage(
        UsageQuery(("graph", "tenant"), tenant=world.tenant, first="2020-01-01")
    )
    assert [(row["graph"], row["calls"]) for row in by_graph] == [("", 1), ("ask", 3)]


async def test_what_a_lying_provider_says_of_its_usage_is_not_believed(world: World) -> None:
    for usage in (Usage("many", 1 << 70, -1, True), Usage(cost_usd=float("nan")), Usage(cost_usd=-1.0)):  # type: ignore[arg-type]
        world.views.record(ModelCall(1.0, 0.0, "t", "", "", "writer", "m", "a word of mine" * 100, usage))
    await world.journal.barrier()
    (row,) = await world.views.usage(UsageQuery())
    assert (row["calls"], row["unpriced"], row["cost_usd"]) == (3, 3, 0.0)
    assert row["input_tokens"] == row["output_tokens"] == row["cached_tokens"] == row["reasoning_tokens"] == 0


async def test_lists_are_of_the_latest_and_of_what_is_asked(world: World) -> None:
    await world.play(
        [("thread",), ("accept", 0, "ask"), ("accept", 0, "write"), ("end", 0, S.ERROR), ("thread",)]
    )
    assert [thread["runs"] for thread in await world.views.threads()] == [0, 2]
    assert await world.views.threads("other") == []
    assert len(await world.views.threads(limit=1)) == 1
    runs = await world.views.runs(RunsQuery())
    assert [run["graph"] for run in runs] == ["write", "ask"]
    assert [run["error"] for run in await world.views.runs(RunsQuery(status="error"))] == ["model_error"]
    assert await world.views.runs(RunsQuery(tenant=world.tenant, thread="none", graph="ask")) == []


async def test_a_fact_holds_no_text_and_no_number_that_is_none(world: World) -> None:
    world.views.note(Fact(1.0, "t", "r", "g", "score", "fit", 'Ann said: "call me!"', float("nan"), "x" * 99))
    await world.journal.barrier()
    rows = await world.journal.read(lambda database: database.execute("SELECT * FROM view_facts").fetchall())
    assert rows == [("t", "1970-01-01", "g", "score", "fit", "", "", 1, 0, 0)]
