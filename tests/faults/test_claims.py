"""Whoever holds an older fence may write nothing any more: no event, no checkpoint, no effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import Conflict
from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Run, RunChange, RunStatus
from runtime.runs.channel import Channel, Draft
from runtime.runs.threads import new_thread
from runtime.types import Event

RUN = Run("r", "t", "default", "g", "v", RunStatus.RUNNING, {}, 0.0, 0.0, attempt=1, fence=1)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """A journal with one run, which two claimants believe to be theirs."""
    opened = SqliteJournal(tmp_path / "hubbub.db")
    await opened.open()
    await opened.accept(RUN, [], thread=new_thread("default", "t", {}), new=True)
    yield opened
    await opened.aclose()


async def channel(journal: SqliteJournal) -> Channel:
    stored = await journal.thread("t")
    assert stored
    return Channel.of(stored, "epoch", journal, 0)


def claim(fence: int) -> RunChange:
    return RunChange("r", RunStatus.RUNNING, fence, attempt=fence)


def put(saver: JournalSaver, fence: int) -> Any:
    checkpoint: Any = {
        "v": 4,
        "id": f"1f0{fence}",
        "ts": "",
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
    }
    config: Any = {
        "configurable": {"thread_id": "t", "checkpoint_ns": "", "fence": fence},
        "metadata": {"run_id": "r"},
    }
    return saver.aput(config, checkpoint, {"run_id": "r"}, {})


async def test_an_older_claimant_appends_no_event_and_ends_no_run(journal: SqliteJournal) -> None:
    older, newer = await channel(journal), await channel(journal)
    await newer.durable("r", [Draft("custom", {"of": "newer"})], claim(2))
    ending = RunChange("r", RunStatus.SUCCESS, 1, output={})
    with pytest.raises(Conflict, match="Another worker has taken over"):
        await older.durable("r", [Draft("custom", {"of": "older"})], ending)
    events = await journal.events("t", after=0, limit=10)
    assert [event.data for event in events] == [{"of": "newer"}]
    stored = await journal.run("r")
    assert stored
    assert (stored.status, stored.fence) == (RunStatus.RUNNING, 2)


async def test_of_two_who_append_at_the_same_position_one_wins(journal: SqliteJournal) -> None:
    events = [Event("t", seq, "custom", {}, "r", 0, (), 1) for seq in (1, 2)]
    outcomes = await asyncio.gather(*(journal.append("t", [event]) for event in events))
    assert outcomes == ["", "conflict"]


async def test_an_older_claimants_checkpoint_is_refused_and_so_is_its_next_effect(
    journal: SqliteJournal,
) -> None:
    saver = JournalSaver(journal)
    await put(saver, 1)
    await saver.settled("t", "r")
    assert await journal.append("t", [], change=claim(2)) == ""
    await put(saver, 1)
    with pytest.raises(Conflict, match="may not write to its thread any more"):
        await saver.settled("t", "r")
    await put(saver, 2)
    await saver.settled("t", "r")
    newest = await saver.aget_tuple({"configurable": {"thread_id": "t"}})
    assert newest
    assert newest.checkpoint["id"] == "1f02"


async def test_a_run_that_was_answered_is_not_answered_again(journal: SqliteJournal) -> None:
    waits = RunChange("r", RunStatus.INTERRUPTED, 1)
    assert await journal.append("t", [], change=waits) == ""
    resumed = replace(RUN, fence=2)
    outcomes = await asyncio.gather(*(journal.resume(resumed, [], fence=1) for _ in range(2)))
    assert "answered" in outcomes
