"""Starts that something stands in the way of: refused with a sentence, and nothing is damaged."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from runtime.journal.statements import SCHEMA_VERSION
from tests.faults.client import Client
from tests.faults.conftest import MakePlace
from tests.faults.figures import count
from tests.faults.place import Place, until

FAILED, CANNOT_START = 1, 2


async def test_a_second_hub_on_the_workspace_is_refused_and_the_first_goes_on(place: Place) -> None:
    first = place.pid
    async with Client(place.url) as client:
        run = await client.start("chain", word="x", gate="g")
        await client.until(lambda frame: frame["method"] == "messages")
        place.launch()
        assert await place.ended() == CANNOT_START
        assert f"in use by process {first}" in place.log
        place.pid = first
        place.gate("g")
        assert (await client.ended(run))["attempt"] == 1
        assert client.cuts == 0
        assert count(place, [client]).clean


def _no_database(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def _half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _scribbled(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(path.stat().st_size - 100))


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_no_database, "restore it from a backup"),
        (_half, "restore it from a backup"),
        (_scribbled, "restore it from a backup"),
        (_newer, "upgrade Hubbub"),
    ],
)
async def test_a_database_that_cannot_be_used_is_said_and_left_as_it_is(
    place: Place, spoil: Callable[[Path], None], sentence: str
) -> None:
    async with Client(place.url) as client:
        await client.ended(await client.start("chain", word="x"))
    place.tell(signal.SIGTERM)
    assert await place.ended() == 0
    spoil(place.database)
    before = place.database.read_bytes()
    place.launch()
    assert await place.ended() == CANNOT_START
    assert sentence in place.log.splitlines()[-1]
    assert place.database.read_bytes() == before


async def test_a_hub_waits_until_the_writer_of_a_killed_one_has_ended(make_place: MakePlace) -> None:
    place = make_place()
    await place.start()
    async with Client(place.url) as client:
        run = await client.start("chain", word="x", gate="g")
        await client.until(lambda frame: frame["method"] == "messages")
        orphan = place.writer
        os.kill(orphan, signal.SIGSTOP)  # as on a slow disk; the rest of the message waits in its pipe
        place.gate("g")
        await asyncio.sleep(0.3)
        place.kill("hub")
        await place.ended()
        place.launch()
        await until(lambda: place.writer)
        await asyncio.sleep(1.0)
        assert place.alive
        assert not place.serves
        os.kill(orphan, signal.SIGCONT)
        assert (await client.ended(run))["event"] == "completed"
        assert count(place, [client]).clean


async def test_a_hub_that_has_lost_its_journal_says_so_and_ends(place: Place) -> None:
    _newer(place.database)
    place.kill("writer")
    assert await place.ended() == FAILED
    assert "upgrade Hubbub" in place.log.splitlines()[-1]
