"""The open channels of a process."""

from __future__ import annotations

import asyncio
from typing import Any

from runtime.runs.channels import Channels
from runtime.runs.threads import new_thread

from .conftest import World


class _Slow:
    """A journal whose answer about a thread is on its way until somebody lets it arrive."""

    def __init__(self, journal: Any) -> None:
        self._journal, self.asked, self.arrives = journal, asyncio.Event(), asyncio.Event()

    async def thread(self, id: str) -> Any:
        """Return a thread, late."""
        self.asked.set()
        await self.arrives.wait()
        return await self._journal.thread(id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


async def test_a_thread_that_is_looked_for_while_it_is_made_has_one_channel(world: World) -> None:
    journal = _Slow(world.engine.journal)
    channels = Channels(journal, lambda thread: False)  # type: ignore[arg-type]
    looking = asyncio.create_task(channels.get("t"))
    await journal.asked.wait()
    thread = new_thread("default", "t", {})
    made = channels.add(thread)
    await world.engine.journal.create_thread(thread)
    journal.arrives.set()
    found = await looking
    assert found
    assert found[1] is made
