"""Runs one scenario on an event loop of its own, and sees what holds it up and what is left running."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that one scenario may take."""
LEAVING = 1.0
"""Seconds that tasks and threads have to end once the object was closed."""

_OWN = "standard test"
_LOOK = 0.02
_HELD = 0.3
"""Seconds without a turn of the loop, spent in the plugin's own lines, that nobody else could explain."""
_SURE = 5
"""Looks in a row that must find the plugin at it."""


class _Held(BaseException):
    """Thrown into a loop that would never turn again."""


def run(
    scenario: Callable[[], Coroutine[Any, Any, T]],
    file: str,
    *,
    patience: float = PATIENCE,
    may_block: bool = True,
) -> T:
    """Run the scenario and return its result; AssertionError when it does not end within `patience`.

    Unless it `may_block`, also when it keeps the loop to itself for a while.  `file` is the plugin's,
    whose lines are looked for.
    """
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # what is left behind is told by `left_running`
    try:
        with _Watch(loop, file, patience) as watch:
            try:
                result = loop.run_until_complete(loop.create_task(_bounded(scenario(), patience), name=_OWN))
            except _Held:
                raise AssertionError(watch.sentence()) from None
            if watch.line and not may_block:
                raise AssertionError(watch.sentence())
        return result
    finally:
        _end(loop)


async def left_running() -> list[str]:
    """Return the tasks of the scenario that do not end by themselves, by name and place."""
    ends = time.monotonic() + LEAVING
    while tasks := [task for task in asyncio.all_tasks() if task.get_name() != _OWN]:
        if time.monotonic() > ends:
            return [_described(task) for task in tasks]
        await asyncio.sleep(0.01)
    return []


def threads_left(before: Iterable[threading.Thread]) -> list[str]:
    """Return the threads that are new, would keep a program from ending, and do not end by themselves."""
    known = set(before)
    ends = time.monotonic() + LEAVING
    while new := [each for each in threading.enumerate() if each not in known and not each.daemon]:
        if time.monotonic() > ends:
            return [each.name for each in new]
        time.sleep(0.01)
    return []


async def _bounded(work: Coroutine[Any, Any, T], patience: float) -> T:
    # Not wait_for, which waits for ever where a cancellation is swallowed.
    task = asyncio.create_task(work, name=_OWN)
    done, _ = await asyncio.wait({task}, timeout=patience)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=LEAVING)
        raise AssertionError(f"it did not end within {patience:g} s; bound what it waits for")
    return task.result()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop, also over tasks that do not listen."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=LEAVING))
    loop.run_until_complete(asyncio.wait({loop.create_task(loop.shutdown_asyncgens())}, timeout=LEAVING))
    loop.close()


def _described(task: asyncio.Task[Any]) -> str:
    stack = task.get_stack(limit=1)
    place = f" at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else ""
    return f"{getattr(task.get_coro(), '__qualname__', task.get_name())}{place}"


class _Watch:
    """A thread that looks whether the loop turns, and where the plugin is when it does not."""

    def __init__(self, loop: asyncio.AbstractEventLoop, file: str, patience: float) -> None:
        self._loop, self._file, self._patience = loop, file, patience
        self._thread = threading.get_ident()
        self._turned = time.monotonic()
        self._done = threading.Event()
        self._looks = threading.Thread(target=self._look, name="loop watch", daemon=True)
        self.line = 0

    def __enter__(self) -> _Watch:
        self._looks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._looks.join()

    def sentence(self) -> str:
        """Say who held up the loop."""
        return (
            f"{self._file}:{self.line} keeps the event loop to itself; await there, "
            "or write def instead of async def, so that it runs in a thread"
        )

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _look(self) -> None:
        seen = 0
        while not self._done.wait(_LOOK):
            held = time.monotonic() - self._turned
            line = _line_in(sys._current_frames().get(self._thread), self._file) if held > _HELD else 0
            seen = seen + 1 if line else 0
            if seen >= _SURE:
                self.line = line
            if seen >= _SURE and held > self._patience:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(_Held)
                )
                return
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._turn)


def _line_in(frame: FrameType | None, file: str) -> int:
    while frame is not None:
        if frame.f_code.co_filename == file:
            return frame.f_lineno
        frame = frame.f_back
    return 0
