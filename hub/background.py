"""Work that outlives the request that asked for it; every task has a name and ends with the application."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from runtime.errors import HubbubError
from runtime.telemetry import get_logger

_log = get_logger(__name__)


class Background:
    """Owns such tasks until they are done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Begin `work`; a failure of it is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def aclose(self) -> None:
        """Cancel what is left and wait for it."""
        for task in (left := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, HubbubError):
            _log.warning("background work refused", work=task.get_name(), reason=str(error))
        elif error is not None:
            _log.error("background work failed", work=task.get_name(), exc_info=error)
