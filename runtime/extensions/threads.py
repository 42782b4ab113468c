"""Daemon threads for the plain functions of plugins: nobody has to wait for one that does not end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

LIMIT = 16
"""Threads of one plugin at most; further calls wait their turn."""
IDLE = 10.0
"""Seconds after which a thread without work ends."""


@dataclass(frozen=True, slots=True)
class _Work:
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[tuple[bool, Any]]
    context: contextvars.Context
    function: Callable[..., Any]
    args: tuple[Any, ...]

    def run(self) -> None:
        if self.done.cancelled():
            return
        try:
            outcome = (True, self.context.run(self.function, *self.args))
        except BaseException as error:
            # Also SystemExit; and as a value, because a future cannot hold a StopIteration.
            outcome = (False, error)
        with contextlib.suppress(RuntimeError):  # the loop is gone, nobody waits
            self.loop.call_soon_threadsafe(self._finish, outcome)

    def _finish(self, outcome: tuple[bool, Any]) -> None:
        if not self.done.done():
            self.done.set_result(outcome)


class Threads:
    """Starts a thread when work waits and none is idle.

    Not concurrent.futures, which joins its threads when the program ends: one call that hangs would
    keep the hub from stopping.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = self._idle = self._alive = 0
        self._running: set[int] = set()
        self._left: set[int] = set()

    @property
    def abandoned(self) -> int:
        """How many calls go on although nobody waits for them."""
        return len(self._left)

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function` in a thread, with this task's context; raises what it raises.

        When the waiting task is cancelled, a call that began goes on unseen.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[bool, Any]] = loop.create_future()
        work = _Work(loop, done, contextvars.copy_context(), function, args)
        self._submit(work)
        try:
            returned, value = await done
        except asyncio.CancelledError:
            with self._lock:
                if id(work) in self._running:
                    self._left.add(id(work))
            raise
        if returned:
            return value
        raise value

    def _submit(self, work: _Work) -> None:
        with self._lock:
            self._work.put(work)
            self._waiting += 1
            needed = self._waiting > self._idle and self._alive < self._limit
            self._alive += needed
        if needed:
            threading.Thread(target=self._serve, name="hubbub-plugin", daemon=True).start()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            with self._lock:
                self._running.add(id(work))
            work.run()
            with self._lock:
                self._running.discard(id(work))
                self._left.discard(id(work))
            del work  # nothing of the last call stays while this thread is idle

    def _next(self) -> _Work | None:
        with self._lock:
            self._idle += 1
        try:
            work = self._work.get(timeout=IDLE)
        except queue.Empty:
            work = None
        with self._lock:
            self._idle -= 1
            if work is None and not self._work.empty():
                work = self._work.get_nowait()  # it came between the timeout and the lock
            if work is None:
                self._alive -= 1
            else:
                self._waiting -= 1
        return work


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call a function in a thread of its own; TimeoutError when it goes on beyond its time, unseen."""
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, function()))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="hubbub-plugin-load", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    returned, value = outcome.pop()
    if returned:
        return value  # type: ignore[no-any-return]
    raise value
