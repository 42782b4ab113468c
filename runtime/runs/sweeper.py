"""Takes away what has had its time: threads, and answers that are kept by their id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from runtime.errors import Conflict, NotFound, StorageError
from runtime.records import Thread
from runtime.runs.threads import Threads
from runtime.storage import Journal
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_EVERY = 30.0
_AT_ONCE = 100


class Sweeper:
    """Looks now and then.

    `keep` are the seconds a thread stays that nobody touches; None is for ever.  `prune` takes away all
    but the newest state of threads, `forget` what else is due.
    """

    def __init__(
        self,
        journal: Journal,
        threads: Threads,
        prune: Callable[[Sequence[str]], Awaitable[None]],
        keep: float | None,
        forget: Callable[[], Awaitable[None]],
    ) -> None:
        self._journal, self._threads, self._prune, self._keep = journal, threads, prune, keep
        self._forget = forget

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            swept = 0
            try:
                swept = await self.sweep()
                await self._forget()
            except StorageError as error:
                _log.warning("what is expired stays for now", reason=str(error))
            if swept < _AT_ONCE:
                await asyncio.sleep(_EVERY)

    async def sweep(self) -> int:
        """Take away what is due, at most so many; returns how many."""
        before = 0.0 if self._keep is None else time.time() - self._keep
        swept = 0
        for thread in await self._journal.expired_threads(before, _AT_ONCE):
            try:
                await self._take(thread)
                swept += 1
            except (Conflict, NotFound) as error:
                _log.info("expired thread stays", thread=thread.id, reason=str(error))
        return swept

    async def _take(self, thread: Thread) -> None:
        if thread.expiry == "keep_latest":
            await self._prune([thread.id])
            await self._threads.stay(thread.tenant, thread.id)
        else:
            await self._threads.delete(thread.tenant, thread.id)
