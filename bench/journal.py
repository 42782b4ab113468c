"""The journal and its saver beside what they replace: SQLite in a thread, SQLite alone, AsyncSqliteSaver."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import orjson
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.statements import STATEMENTS
from runtime.journal.writer import open_database
from runtime.types import Event

STEPS = 10
_PATIENCE = 60.0
_APPEND = STATEMENTS["event"].sql


@asynccontextmanager
async def _journal() -> AsyncIterator[SqliteJournal]:
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        journal = SqliteJournal(Path(folder) / "journal.db", durability="full")
        await journal.open()
        try:
            yield journal
        finally:
            await journal.aclose()


def _event(thread: str, position: int) -> Event:
    data = {"event": "content-block-finish", "content": {"type": "text", "text": "word " * 20}}
    return Event(thread, position, "messages", data, "run", 0, (), position)


def _row(thread: str, position: int) -> tuple[object, ...]:
    event = _event(thread, position)
    return (thread, position, position, event.run, event.method, "", event.payload, 0)


# ------------------------------------------------------------------ commits beside a busy loop


async def commits_of_a_thread(commits: int) -> list[float]:
    """Return seconds for each commit of SQLite in a thread of this process, beside 16 streams."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder, ThreadPoolExecutor(1) as pool:
        loop, path = asyncio.get_running_loop(), str(Path(folder) / "journal.db")
        database = await loop.run_in_executor(pool, open_database, path, "full")

        async def commit(position: int) -> None:
            await loop.run_in_executor(pool, _group, database, [_row("bench", position)])

        try:
            return await _beside_streams(commit, commits)
        finally:
            await loop.run_in_executor(pool, database.close)


async def commits_of_the_journal(commits: int) -> list[float]:
    """Return seconds for each commit through the journal, beside 16 streams."""
    async with _journal() as journal:

        async def commit(position: int) -> None:
            assert await journal.append("bench", [_event("bench", position)]) == ""

        return await _beside_streams(commit, commits)


async def _beside_streams(commit: Callable[[int], Awaitable[None]], commits: int) -> list[float]:
    """Time one commit after the other while 16 tasks encode tokens as fast as the loop lets them.

    A thread may wait for seconds each time: what it has done after a minute is enough to tell.
    """
    streams = [asyncio.create_task(_stream(number)) for number in range(16)]
    seconds: list[float] = []
    try:
        for position in range(1, commits + 1):
            if sum(seconds) > _PATIENCE:
                break
            started = time.perf_counter()
            await commit(position)
            seconds.append(time.perf_counter() - started)
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return seconds


async def _stream(number: int) -> None:
    seq = 0
    while True:
        seq += 1
        event = Event(f"thread-{number}", seq, "messages", {"delta": {"text": f"word{seq} "}}, "run", 0)
        orjson.dumps({"type": "event", "event_id": event.id, "params": orjson.Fragment(event.payload)})
        await asyncio.sleep(0)


# ------------------------------------------------------------------ appends


def appends_of_sqlite(total: int, at_once: int) -> float:
    """Return events a second that SQLite appends alone: one process, `at_once` events a commit."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        database = open_database(str(Path(folder) / "journal.db"), "full")
        started = time.perf_counter()
        for position in range(1, total // at_once + 1):
            _group(database, [_row(f"thread-{number}", position) for number in range(at_once)])
        rate = total / (time.perf_counter() - started)
        database.close()
        return rate


def _group(database: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    database.execute("BEGIN IMMEDIATE")
    for row in rows:
        database.execute(_APPEND, row)
    database.execute("COMMIT")


async def appends_of_the_journal(total: int, at_once: int) -> float:
    """Return events a second through the journal: `at_once` appenders, each awaits every commit."""
    async with _journal() as journal:

        async def appender(thread: str) -> None:
            for position in range(1, total // at_once + 1):
                assert await journal.append(thread, [_event(thread, position)]) == ""

        started = time.perf_counter()
        await asyncio.gather(*(appender(f"thread-{number}") for number in range(at_once)))
        return total / (time.perf_counter() - started)


# ------------------------------------------------------------------ steps


class _State(TypedDict, total=False):
    count: int


def _chain(saver: Any) -> Any:
    """Return a compiled graph of ten steps that do nothing much."""

    async def step(state: _State) -> _State:
        return {"count": state["count"] + 1}

    graph, last = StateGraph(_State), START
    for number in range(STEPS):
        graph.add_node(f"step{number}", step)
        graph.add_edge(last, f"step{number}")
        last = f"step{number}"
    graph.add_edge(last, END)
    return graph.compile(checkpointer=saver)


async def steps_without_saver(runs: int, at_once: int) -> float:
    """Return steps a second of LangGraph itself, which keeps nothing: no saver can be faster."""
    return await _steps(_chain(None), runs, at_once)


async def steps_of_sqlite_saver(runs: int, at_once: int) -> float:
    """Return steps a second with LangGraph's own saver on SQLite, `synchronous=FULL`."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "saver.db")) as saver:
            await saver.conn.execute("PRAGMA synchronous = FULL")
            return await _steps(_chain(saver), runs, at_once)


async def steps_of_the_journal(runs: int, at_once: int) -> float:
    """Return steps a second with the journal's saver, until the last of them is on disk."""
    async with _journal() as journal:
        return await _steps(_chain(JournalSaver(journal)), runs, at_once, journal.barrier)


async def _nothing() -> None:
    return None


async def _steps(
    graph: Any, runs: int, at_once: int, written: Callable[[], Awaitable[None]] = _nothing
) -> float:
    async def worker(runs: int) -> None:
        for _ in range(runs):
            thread: Any = {"configurable": {"thread_id": str(uuid.uuid4())}}
            assert (await graph.ainvoke({"count": 0}, thread))["count"] == STEPS

    await asyncio.gather(*(worker(1) for _ in range(at_once)))
    started = time.perf_counter()
    await asyncio.gather(*(worker(runs // at_once) for _ in range(at_once)))
    await written()
    return runs * STEPS / (time.perf_counter() - started)
