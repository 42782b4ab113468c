"""Things to do at a time of the wall clock, which may jump."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable

from runtime.errors import HubbubError
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_LOOK = 5.0
"""Seconds after which the clock is looked at again: it may have been set meanwhile."""

Call = Callable[[], Awaitable[object]]


async def until(at: float) -> None:
    """Wait until a time in Unix seconds."""
    while (left := at - time.time()) > 0:  # noqa: ASYNC110 - the clock sets no event when it jumps
        await asyncio.sleep(min(left, _LOOK))


class Alarms:
    """Calls each thing once, at its time or as soon as possible after it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._calls: dict[str, tuple[int, Call]] = {}
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def set(self, key: str, at: float, call: Call) -> None:
        """Call at `at` (Unix seconds); an earlier alarm with this key is off."""
        number = next(self._numbers)
        self._calls[key] = number, call
        heapq.heappush(self._heap, (at, number, key))
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="alarms")

    def clear(self, key: str) -> None:
        """Turn an alarm off."""
        self._calls.pop(key, None)

    async def aclose(self) -> None:
        """Turn all off."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            await self._ring()
            left = min(_LOOK, self._heap[0][0] - time.time()) if self._heap else None
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _ring(self) -> None:
        while self._heap and self._heap[0][0] <= time.time():
            _, number, key = heapq.heappop(self._heap)
            if (found := self._calls.get(key)) is None or found[0] != number:
                continue
            del self._calls[key]
            try:
                await found[1]()
            except HubbubError as error:
                _log.info("alarm refused", alarm=key, reason=str(error))
            except Exception as error:
                _log.error("alarm failed", alarm=key, exc_info=error)
