"""Which run is it that kills its process: those on their last try begin one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

LONG_ENOUGH = 2.0
"""Seconds after which a run is taken for one that does not kill its process at once."""


class Probation:
    """A process that dies takes all its runs along, and each of them has a try less.

    The one that killed it shows when it is the only one on its last try.  A run that has lived for a
    while is not that one, and gets its tries back.
    """

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    async def begin(self, finished: asyncio.Future[Any], passed: Callable[[], object]) -> None:
        """Wait until no other run is on probation; `passed` is called when this one has lived long enough."""
        await self._one.acquire()
        self._watching = asyncio.create_task(self._watch(finished, passed), name="probation")

    async def _watch(self, finished: asyncio.Future[Any], passed: Callable[[], object]) -> None:
        await asyncio.wait([finished], timeout=LONG_ENOUGH)
        if not finished.done():
            passed()
        self._one.release()
