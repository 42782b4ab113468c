"""The writer commits in order, all or nothing per request, and its death loses and doubles nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import CannotStart
from runtime.journal import writer
from runtime.journal.log import Log
from runtime.journal.statements import SCHEMA_VERSION
from runtime.journal.writer import Frames, Request, commit, frame, open_database


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    opened = Log(tmp_path / "journal.db", "full")
    await opened.open()
    yield opened
    await opened.aclose()


def event(thread: str, position: int) -> tuple[str, tuple[object, ...]]:
    return "event", (thread, position, position, "run", "custom", "", b"{}", 0)


def request(position: int) -> Request:
    name, parameters = event("t", position)
    return position, [(name, list(parameters))]


def positions(path: Path, thread: str) -> list[int]:
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT position FROM events WHERE thread = ? ORDER BY position", (thread,))
        return [position for (position,) in rows]


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 7))
def test_frames_survive_any_cut_of_the_stream(bodies: list[bytes], step: int) -> None:
    stream, frames = b"".join(frame(body) for body in bodies), Frames()
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert b"".join(frame_body for piece in pieces for frame_body in frames.feed(piece)) == b"".join(
        frame(body)[4:] for body in bodies
    )


async def test_a_future_is_done_only_when_its_request_is_on_disk(log: Log, tmp_path: Path) -> None:
    assert await log.submit([event("t", 1)]) == ""
    assert positions(tmp_path / "journal.db", "t") == [1]


async def test_a_write_that_nobody_waits_for_leaves_before_the_next_one_that_is_waited_for(
    log: Log, tmp_path: Path
) -> None:
    lazy = log.submit([event("t", 1)], urgent=False)
    assert await log.submit([event("t", 2)]) == ""
    assert lazy.result() == ""
    assert await log.submit([event("t", 3)], urgent=False) == ""
    log.submit([event("t", 4)], urgent=False)
    await log.barrier()
    assert positions(tmp_path / "journal.db", "t") == [1, 2, 3, 4]


async def test_a_position_that_is_not_the_next_is_refused_and_its_neighbours_are_not(log: Log) -> None:
    outcomes = await asyncio.gather(
        log.submit([event("t", 1)]),
        log.submit([event("t", 3)]),
        log.submit([event("t", 2), event("t", 4)]),
        log.submit([event("t", 2)]),
    )
    assert list(outcomes) == ["", "conflict", "conflict", ""]


async def test_a_refused_request_leaves_nothing_of_itself(log: Log, tmp_path: Path) -> None:
    assert await log.submit([event("t", 1), event("t", 2), event("t", 2)]) == "conflict"
    assert positions(tmp_path / "journal.db", "t") == []


async def test_a_killed_writer_is_replaced_and_every_request_is_committed_once(
    log: Log, tmp_path: Path
) -> None:
    futures = []
    for position in range(1, 401):
        futures.append(log.submit([event("t", position)]))
        if position % 133 == 0:
            await futures[-100]  # the writer lives, and has more than it has answered
            assert log._process
            os.kill(log._process.pid, signal.SIGKILL)
    assert await asyncio.gather(*futures) == [""] * 400
    assert positions(tmp_path / "journal.db", "t") == list(range(1, 401))


async def test_a_request_after_closing_is_refused_with_a_sentence(tmp_path: Path) -> None:
    log = Log(tmp_path / "journal.db", "normal")
    await log.open()
    last = log.submit([event("t", 1)])
    await log.aclose()
    assert await last == ""
    with pytest.raises(Exception, match="journal is closed"):
        await log.submit([event("t", 2)])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"this is no database" * 100), "not a database"),
        (lambda path: _execute(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}"), "newer Hubbub"),
        (lambda path: _execute(path, f"PRAGMA user_version = {SCHEMA_VERSION - 1}"), "earlier Hubbub"),
        (lambda path: _execute(path, "CREATE TABLE other (x)"), "another program"),
        (lambda path: _cut_in_half(path), "malformed.*restore it from a backup"),
    ],
)
async def test_a_database_that_is_not_ours_is_left_as_it_is(
    tmp_path: Path, make: object, sentence: str
) -> None:
    path = tmp_path / "journal.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(CannotStart, match=sentence):
        await Log(path, "full").open()
    assert path.read_bytes()[100:] == before[100:]


def test_a_table_that_came_later_is_made_in_a_database_that_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "journal.db")
    open_database(path, "full").close()
    monkeypatch.setattr(writer, "ADDITIONS", "CREATE TABLE IF NOT EXISTS later (x);")
    for _ in range(2):
        database = open_database(path, "full")
        assert database.execute("SELECT count(*) FROM later").fetchone() == (0,)
        database.close()


def _execute(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(sql)


def _cut_in_half(path: Path) -> None:
    open_database(str(path), "full").close()
    os.truncate(path, path.stat().st_size // 2)


def test_what_arrives_while_a_batch_is_applied_joins_it(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "journal.db"), "normal")
    first, *waiting = [[request(1)], [request(2)], [request(3)], list[Request]()]
    batch = list(first)
    assert commit(database, "boot", batch, lambda: waiting.pop(0)) == [(1, ""), (2, ""), (3, "")]
    assert [number for number, _ in batch] == [1, 2, 3]
    assert positions(tmp_path / "journal.db", "t") == [1, 2, 3]
