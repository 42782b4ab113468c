"""What the writer loses when it dies or cannot write: nothing it was not asked again, nothing by halves."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import StorageError
from runtime.journal import log as log_module
from runtime.journal.checkpoints import JournalSaver
from runtime.journal.log import Log
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.writer import commit, open_database
from runtime.runs.threads import new_thread
from runtime.types import Event

from .conftest import chain, config, say

STEPS = chain(*((f"step{each}", say(str(each))) for each in range(6)))


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    opened = Log(tmp_path / "journal.db", "full")
    await opened.open()
    yield opened
    await opened.aclose()


def event(thread: str, position: int, data: bytes = b"{}") -> tuple[str, tuple[object, ...]]:
    return "event", (thread, position, position, "run", "custom", "", data, 0)


def positions(path: Path, thread: str) -> list[int]:
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT position FROM events WHERE thread = ? ORDER BY position", (thread,))
        return [position for (position,) in rows]


def pid_of(log: Log) -> int:
    assert log._process
    return log._process.pid


def allow(log: Log, size: int) -> None:
    """Let the writer's files grow to this size and no further, as on a disk that is full."""
    resource.prlimit(pid_of(log), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


# --------------------------------------------------------------------------- killed


async def test_a_writer_killed_again_and_again_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", durability="full")
    await journal.open()
    saver = JournalSaver(journal)
    graph = STEPS.compile(checkpointer=saver)
    working = True

    async def append(thread: str) -> int:
        position = 0
        while working:
            position += 1
            data = {"position": position}
            appended = Event(thread, position, "custom", data, "run", 0, (), position)
            assert await journal.append(thread, [appended]) == ""
        return position

    async def run(thread: str) -> list[Any]:
        while working:
            told = await graph.ainvoke({"log": [thread]}, config(thread, f"run of {thread}"))
        return list(told["log"])

    appenders = [asyncio.create_task(append(f"events {number}")) for number in range(8)]
    runners = [asyncio.create_task(run(f"state {number}")) for number in range(4)]
    for _ in range(8):  # more often than a writer that answers nothing would be started again
        answered = journal.append("beat", [])
        await answered
        os.kill(pid_of(journal._log), signal.SIGKILL)
    working = False
    for number, appender in enumerate(appenders):
        last = await appender
        assert positions(tmp_path / "journal.db", f"events {number}") == list(range(1, last + 1))
    for number, runner in enumerate(runners):
        values = await runner
        assert (await graph.aget_state(config(f"state {number}"))).values["log"] == values
        assert saver.failure(f"run of state {number}") is None
    await journal.aclose()


async def test_a_writer_that_answers_nothing_any_more_is_given_up_with_a_sentence(log: Log) -> None:
    os.kill(pid_of(log), signal.SIGSTOP)
    hopeless = log.submit([("no such statement", ())])
    os.kill(pid_of(log), signal.SIGCONT)
    with pytest.raises(StorageError, match="keeps dying"):
        await hopeless
    assert "keeps dying" in log.trouble
    assert log.lost.is_set()


# --------------------------------------------------------------------------- no room


async def test_without_room_everything_waits_and_with_room_it_goes_on_in_order(
    log: Log, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    assert await log.submit([event("t", 1)]) == ""
    allow(log, path.with_name("journal.db-wal").stat().st_size)
    waiting = [log.submit([event("t", 2), event("t", 3, b"x" * 100_000)]), log.submit([event("t", 4)])]
    while not log.trouble:
        await asyncio.sleep(0.01)
    assert "free disk space, then try again" in log.trouble
    assert positions(path, "t") == [1]
    assert not any(each.done() for each in waiting)
    allow(log, resource.RLIM_INFINITY)
    assert await asyncio.gather(*waiting) == ["", ""]
    assert log.trouble == ""
    assert positions(path, "t") == [1, 2, 3, 4]


async def test_without_room_a_new_request_is_refused_at_once(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", durability="full")
    await journal.open()
    await journal.create_thread(new_thread("default", "t", {}))
    allow(journal._log, 0)
    waiting = journal.reserve("t", 5)
    while (await journal.check()).ok:
        await asyncio.sleep(0.01)
    with pytest.raises(StorageError, match="free disk space"):
        await journal.create_thread(new_thread("default", "u", {}))
    allow(journal._log, resource.RLIM_INFINITY)
    assert await waiting == ""
    assert (await journal.check()).ok
    await journal.aclose()


async def test_an_end_without_room_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_CLOSING", 0.1)
    log = Log(tmp_path / "journal.db", "full")
    await log.open()
    allow(log, 0)
    waiting = log.submit([event("t", 1)])
    await log.aclose()
    with pytest.raises(StorageError, match="before this could be written"):
        await waiting


def test_a_full_database_refuses_the_whole_batch_and_goes_on_when_it_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    database = open_database(str(path), "full")
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = [event("t", 2, b"x" * 100_000)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        commit(database, "boot", [(1, [list(event("t", 1))]), (2, large)])  # type: ignore[list-item]
    assert positions(path, "t") == []
    database.execute("PRAGMA max_page_count = 1000000")
    assert commit(database, "boot", [(1, [event("t", 1)]), (2, large)]) == [(1, ""), (2, "")]  # type: ignore[list-item]
    assert positions(path, "t") == [1, 2]
    database.close()


async def test_a_run_without_room_for_its_checkpoints_goes_on_when_there_is_room(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", durability="full")
    await journal.open()
    saver = JournalSaver(journal)
    graph = STEPS.compile(checkpointer=saver)
    allow(journal._log, 0)
    running = asyncio.create_task(graph.ainvoke({"log": ["first"]}, config("t", "first")))
    while (await journal.check()).ok:
        await asyncio.sleep(0.01)
    settled = asyncio.create_task(saver.settled("t", "first"))
    await asyncio.sleep(0.05)
    assert not settled.done()
    allow(journal._log, resource.RLIM_INFINITY)
    told = await running
    await settled
    assert told["log"] == ["first", "0", "1", "2", "3", "4", "5"]
    assert (await graph.aget_state(config("t"))).values == told
    await journal.aclose()


async def test_a_value_that_no_database_can_keep_harms_no_other_request(log: Log, tmp_path: Path) -> None:
    outcomes = await asyncio.gather(
        log.submit([event("t", 1)]),
        log.submit([("event", ("t", 2, 2**63, "run", "custom", "", b"{}", 0))]),
        log.submit([("event", ("t", 2, 2, "run", ["a list"], "", b"{}", 0))]),
        log.submit([event("t", 2)]),
        return_exceptions=True,
    )
    assert [outcome if isinstance(outcome, str) else type(outcome) for outcome in outcomes] == [
        "", StorageError, StorageError, "",
    ]  # fmt: skip
    assert positions(tmp_path / "journal.db", "t") == [1, 2]
