"""Opening the vectors may take longer than any query: searches wait for it together, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from runtime.errors import HubbubError, StorageError
from runtime.search.child import SearchChild

PATIENCE = 40.0
"""Seconds after which hits by keyword are better than none; counted from when the opening began."""
LONGEST = 600.0
"""Seconds after which an opening is given up."""


class Opening:
    """The vectors of the search process; opened anew for each process."""

    def __init__(self, child: SearchChild) -> None:
        self._child = child
        self._task: asyncio.Task[Any] | None = None
        self._began = 0.0
        self._open_in: int | None = None

    async def wait(self, seconds: float = PATIENCE) -> None:
        """Return once they are open; StorageError when that takes too long, or cannot be."""
        if self._open_in is not None and self._open_in == self._child.pid:
            return
        if self._task is None or self._task.done():
            self._began = time.monotonic()
            self._task = asyncio.create_task(self._open(), name="opening the vectors")
            # Who waited may be gone when it fails, and then nobody else asks for the reason.
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        left = max(0.0, self._began + seconds - time.monotonic())
        await asyncio.wait({self._task}, timeout=left)
        if not self._task.done():
            raise StorageError("The vectors are still being opened; ask again in a moment.")
        self._task.result()

    async def aclose(self) -> None:
        """Wait no longer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, HubbubError):
                await self._task

    async def _open(self) -> None:
        await self._child.ask("warm", seconds=LONGEST)
        self._open_in = self._child.pid
