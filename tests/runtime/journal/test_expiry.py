"""Threads that have expired are found, and none that is still at work."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from runtime.journal.sqlite import SqliteJournal
from runtime.records import Run, RunStatus, Thread

NewRun = Callable[..., Awaitable[Run]]


def thread(id: str, age: float, **about: object) -> Thread:
    at = time.time() - age
    return replace(Thread(id, "default", {}, at, at), **about)  # type: ignore[arg-type]


async def expired(journal: SqliteJournal, *, idle: float | None = None, limit: int = 10) -> list[str]:
    before = 0.0 if idle is None else time.time() - idle
    return [found.id for found in await journal.expired_threads(before, limit)]


async def test_threads_that_nobody_used_for_long_come_first_and_in_pages(journal: SqliteJournal) -> None:
    for id, age in (("new", 5), ("old", 200), ("older", 300)):
        await journal.create_thread(thread(id, age))
    assert await expired(journal, idle=100) == ["older", "old"]
    assert await expired(journal, idle=100, limit=1) == ["older"]
    assert await expired(journal) == []


async def test_a_thread_with_a_time_of_its_own_expires_then(journal: SqliteJournal) -> None:
    now = time.time()
    await journal.create_thread(thread("past", 5, expires_at=now - 1, expiry="keep_latest"))
    await journal.create_thread(thread("future", 5, expires_at=now + 3600, expiry="delete"))
    found = await journal.expired_threads(0.0, 10)
    assert [(each.id, each.expiry) for each in found] == [("past", "keep_latest")]
    await journal.update_thread(replace(found[0], expires_at=None, expiry=None))
    assert await expired(journal) == []


@pytest.mark.parametrize(
    ("status", "idle", "due"),
    [
        (RunStatus.ACCEPTED, False, False),
        (RunStatus.RUNNING, False, False),
        (RunStatus.INTERRUPTED, False, True),
        (RunStatus.SUCCESS, True, True),
    ],
)
async def test_work_to_do_keeps_a_thread_and_a_question_keeps_one_without_a_time_of_its_own(
    journal: SqliteJournal, new_run: NewRun, status: RunStatus, idle: bool, due: bool
) -> None:
    own = thread("own", 500, expires_at=time.time() - 1, expiry="delete")
    await journal.create_thread(own)
    await new_run("own", status, age=400)
    await new_run("idle", status, age=400)
    found = await expired(journal, idle=100)
    assert ("own" in found, "idle" in found) == (due, idle)
