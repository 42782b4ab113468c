"""The threads in which LangGraph runs steps and tools that are plain functions."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

IDLE = 30.0
"""Seconds after which a thread without work ends."""


@dataclass(frozen=True, slots=True)
class _Work:
    done: Future[Any]
    call: Callable[[], Any]

    def run(self) -> None:
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            self.done.set_result(self.call())
        except BaseException as error:
            self.done.set_exception(error)


class StepThreads(ThreadPoolExecutor):
    """An executor whose threads end with the process: a step that hangs cannot keep the hub from stopping.

    asyncio demands a ThreadPoolExecutor, whose own threads are waited for at exit.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(1)
        self._limit = limit
        self._works: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._open = self._alive = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a thread; beyond the limit calls wait their turn."""
        done: Future[T] = Future()
        with self._counting:
            self._works.put(_Work(done, lambda: fn(*args, **kwargs)))
            self._open += 1
            needed = self._open > self._alive and self._alive < self._limit
            self._alive += needed
        if needed:
            threading.Thread(target=self._serve, name="hubbub-step", daemon=True).start()
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the threads to the end of the process."""

    def _serve(self) -> None:
        while True:
            try:
                work = self._works.get(timeout=IDLE)
            except queue.Empty:
                with self._counting:
                    if self._works.empty():
                        self._alive -= 1
                        return
                continue
            work.run()
            del work  # nothing of the last call stays while this thread is idle
            with self._counting:
                self._open -= 1
