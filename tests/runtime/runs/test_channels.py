"""A thread has one channel, whoever asks for it, and whenever."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.journal.sqlite import SqliteJournal
from runtime.records import Thread
from runtime.runs import channels
from runtime.runs.channel import Channel, Draft
from runtime.runs.channels import Channels
from runtime.runs.threads import new_thread


class SlowJournal(SqliteJournal):
    """A journal whose answers come when the disk gets round to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, durability="normal")
        self.answers = asyncio.Event()
        self.answers.set()

    async def thread(self, thread: str) -> Thread | None:
        """Look it up, late."""
        await self.answers.wait()
        return await super().thread(thread)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SlowJournal]:
    opened = SlowJournal(tmp_path / "hubbub.db")
    await opened.open()
    yield opened
    await opened.aclose()


async def test_a_viewer_who_looks_while_the_thread_is_created_gets_the_channel_of_its_creator(
    journal: SlowJournal,
) -> None:
    opened = Channels(journal)
    journal.answers.clear()
    looking = asyncio.create_task(opened.get("t"))
    await asyncio.sleep(0)
    thread, channel, new = opened.add(new_thread("default", "t", {}))
    await journal.create_thread(thread)
    journal.answers.set()
    found = await looking
    assert new
    assert found is not None
    assert found[1] is channel


async def test_two_who_create_a_thread_at_once_share_its_channel(journal: SlowJournal) -> None:
    opened = Channels(journal)
    _, first, new = opened.add(new_thread("default", "t", {}))
    _, second, also_new = opened.add(new_thread("default", "t", {}))
    assert (new, also_new) == (True, False)
    assert first is second


async def test_a_channel_that_somebody_holds_is_found_again_after_many_others(
    journal: SlowJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_IDLE", 1)
    opened = Channels(journal)
    for id in ("t", "u"):
        await journal.create_thread(new_thread("default", id, {}))
    held = await opened.get("t")
    await opened.get("u")
    found = await opened.get("t")
    assert held is not None
    assert found is not None
    assert found[1] is held[1]


async def test_the_buffers_of_channels_that_nobody_uses_are_bounded(
    journal: SlowJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_IDLE_BYTES", 50_000)
    monkeypatch.setattr(channels, "_WEIGHED", 1)
    opened = Channels(journal)
    kept = list[weakref.ref[Channel]]()
    for number in range(20):
        thread, channel, _ = opened.add(new_thread("default", f"t{number}", {}))
        kept.append(weakref.ref(channel))
        await journal.create_thread(thread)
        await channel.durable("r", [Draft("custom", {"text": "x" * 4_000})])
        del channel
    gc.collect()
    alive = [each for ref in kept if (each := ref()) is not None]
    assert 1 <= len(alive) < 10
    assert alive[-1].thread == "t19"
