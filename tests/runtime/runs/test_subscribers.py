"""Subscribers are told every durable event, in order, at least once, and hold up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.context import Services
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.subscriptions import JournalSubscriptions
from runtime.records import Run, RunStatus, Thread
from runtime.runs.subscribers import Subscribers
from runtime.types import Event

PLUGIN = """
from pathlib import Path
from hubbub import hookimpl

class Told:
    name = "told"
    def on_event(self, event, ctx):
        with (Path(__file__).parents[1] / "told").open("a") as file:
            file.write(f"{ctx.tenant} {event.id} {event.method}\\n")

@hookimpl
def register_subscribers():
    return [Told()]
"""


def told(folder: Path) -> list[str]:
    file = folder / "told"
    return file.read_text().splitlines() if file.exists() else []


async def test_every_durable_event_is_told_in_order_also_over_a_restart(world: Any) -> None:
    (world.folder / "plugins" / "told.py").write_text(PLUGIN)
    await world.restart()
    await asyncio.sleep(0)  # a subscriber begins with what happens next: let it look where that is
    await world.until(lambda: "told" in world.engine.catalog.names("subscriber"))
    async with asyncio.timeout(20):
        while not await _place(world.engine.journal, "told"):
            await asyncio.sleep(0.01)
    world.open_gate("a")
    for number in range(3):
        await world.ended(await world.start("gate", f"t{number}", input={"file": "a"}))
        if number == 1:
            await world.restart()
    wanted = [
        f"default {event.id} {event.method}"
        for number in range(3)
        for event in await world.events(f"t{number}")
    ]
    await world.until(lambda: set(wanted) <= set(told(world.folder)))
    for number in range(3):  # what came again after the restart came after what it follows
        ids = [line for line in dict.fromkeys(told(world.folder)) if f" t{number}:" in line]
        assert ids == [line for line in wanted if f" t{number}:" in line]


async def _place(journal: SqliteJournal, name: str) -> Any:
    query = "SELECT 1 FROM subscriptions WHERE name = ?"
    return await journal.read(lambda database: database.execute(query, (name,)).fetchone())


# --------------------------------------------------------------------------- without runs


class Heard:
    """A subscriber that keeps what it heard, fails where it is told to, and waits where it is told to."""

    def __init__(self, name: str, fails: Sequence[int] = (), waits: asyncio.Event | None = None) -> None:
        self.name, self._fails, self._waits = name, fails, waits
        self.heard: list[tuple[str, int]] = []

    async def on_event(self, event: Event, ctx: Any) -> None:
        if self._waits:
            await self._waits.wait()
        self.heard.append((event.thread, event.position))
        if event.position in self._fails:
            raise ValueError("no")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db", durability="normal")
    await opened.open()
    yield opened
    await opened.aclose()


async def happen(journal: SqliteJournal, thread: str, count: int = 1) -> None:
    """Let a thread begin with some events."""
    about = Thread(thread, "acme", {}, 1.0, 1.0)
    run = Run(f"run of {thread}", thread, "acme", "g", "1", RunStatus.RUNNING, None, 1.0, 1.0, fence=1)
    events = [Event(thread, at, "custom", {}, run.id, 0, position=at) for at in range(1, count + 1)]
    await journal.accept(run, events, thread=about, new=True)


def subscribers(journal: SqliteJournal, *objects: Heard) -> Subscribers:
    info = PluginInfo("test", "drop-in", "test.py", "ready")
    catalog = Catalog([info], [Registered("subscriber", each.name, each, info) for each in objects])
    made = Subscribers(JournalSubscriptions(journal), lambda: catalog, cast(Services, None))
    made.waits = (0.0, 0.0)
    return made


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def begun(journal: SqliteJournal, telling: Subscribers, *names: str) -> asyncio.Task[None]:
    """Start telling, and wait until everybody has found the end of the log."""
    task = asyncio.create_task(telling.run())
    for name in names:
        while not await _place(journal, name):
            await asyncio.sleep(0.005)
    return task


async def test_a_new_one_begins_with_what_happens_next(journal: SqliteJournal) -> None:
    await happen(journal, "before")
    new = Heard("new")
    task = await begun(journal, subscribers(journal, new), "new")
    await happen(journal, "after", 2)
    await until(lambda: len(new.heard) == 2)
    assert new.heard == [("after", 1), ("after", 2)]
    task.cancel()


async def test_an_event_that_fails_is_tried_again_and_then_left_out(journal: SqliteJournal) -> None:
    bad = Heard("bad", fails=(2,))
    task = await begun(journal, subscribers(journal, bad), "bad")
    await happen(journal, "t", 3)
    await until(lambda: ("t", 3) in bad.heard)
    assert [position for _, position in bad.heard] == [1, 2, 2, 2, 3]
    task.cancel()


async def test_a_slow_one_holds_up_nobody(journal: SqliteJournal) -> None:
    gate = asyncio.Event()
    slow, quick = Heard("slow", waits=gate), Heard("quick")
    task = await begun(journal, subscribers(journal, slow, quick), "slow", "quick")
    await happen(journal, "t", 300)
    await until(lambda: len(quick.heard) == 300)
    assert slow.heard == []
    gate.set()
    await until(lambda: len(slow.heard) == 300)
    assert slow.heard == quick.heard
    task.cancel()


async def test_nothing_is_missed_when_the_newest_events_are_deleted(journal: SqliteJournal) -> None:
    """The log may give the places of deleted events again."""
    heard = Heard("heard")
    task = await begun(journal, subscribers(journal, heard), "heard")
    for number in range(4):
        await happen(journal, f"t{number}", 5)
        await until(lambda: len(heard.heard) == 5)
        await journal.delete_thread(f"t{number}")
        heard.heard.clear()
    task.cancel()


async def test_what_was_deleted_while_it_was_told_hides_nothing(journal: SqliteJournal) -> None:
    gate = asyncio.Event()
    slow = Heard("slow", waits=gate)
    task = await begun(journal, subscribers(journal, slow), "slow")
    await happen(journal, "gone", 5)
    await asyncio.sleep(0.3)  # long enough for it to be read, and right either way
    await journal.delete_thread("gone")
    await happen(journal, "new", 5)
    gate.set()
    await until(lambda: ("new", 5) in slow.heard)
    assert [each for each in dict.fromkeys(slow.heard) if each[0] == "new"] == [
        ("new", n) for n in range(1, 6)
    ]
    task.cancel()
