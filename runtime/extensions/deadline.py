"""Waiting for other people's coroutines: a deadline that holds also when they ignore cancellation."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")

GRACE = 2.0
"""Seconds a cancelled coroutine has for its clean-up before nobody waits for it any more."""
TURN = 64
"""Results in a row that came without waiting, after which the event loop gets a turn."""
CANCELLED_ITSELF = "it cancelled itself"


class Deadline:
    """One timer for any number of waits: cancels what is being awaited when its time has come.

    Between two waits it only remembers that it expired, so that it can span the pieces of a stream
    whose consumer does other things meanwhile.  A coroutine that swallows its cancellation and goes on
    waiting is left behind after `grace` seconds, and `deaf` says so.  A wait costs about 0.5 µs.
    """

    __slots__ = ("_fired", "_grace", "_handle", "_loop", "_quick", "_task", "deaf", "expired")

    def __init__(self, when: float, *, grace: float = GRACE) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_at(when, self._fire)
        self._grace = grace
        self._task: asyncio.Task[Any] | None = None
        self._fired = self._quick = 0
        self.expired = self.deaf = False

    def move(self, when: float) -> None:
        """Expire at another time (on the clock of `time.monotonic()`)."""
        self._handle.cancel()
        self._handle = self._loop.call_at(when, self._fire)

    def close(self) -> None:
        """Never expire."""
        self._handle.cancel()

    @types.coroutine
    def wait(self, awaitable: Awaitable[T]) -> Generator[Any, Any, T]:
        """Await it in this task; TimeoutError when the deadline passes first.

        Raises what it raises; a CancelledError that nobody asked for becomes a RuntimeError.
        """
        steps = awaitable.__await__()
        if self.expired:
            steps.close()
            raise TimeoutError
        try:
            waited_for = steps.send(None)
        except StopIteration as done:
            self._quick += 1
            if self._quick >= TURN:
                # A stream that never waits would keep the loop, and with it this timer, to itself.
                self._quick = 0
                yield None
            if self.expired:
                raise TimeoutError from None
            return done.value  # type: ignore[no-any-return]
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError(CANCELLED_ITSELF) from error
        self._quick = 0
        return (yield from self._drive(steps, waited_for))

    def _drive(self, steps: Generator[Any, Any, T], waited_for: Any) -> Generator[Any, Any, T]:
        """Pass everything through, as `yield from` does, but notice what becomes of a cancellation."""
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._task, self._fired = task, 0
        cancelled = False
        try:
            while True:
                try:
                    sent = yield waited_for
                except GeneratorExit:
                    steps.close()
                    raise
                except asyncio.CancelledError as error:
                    if task.cancelling() > before:
                        if cancelled:
                            self.deaf = True
                            raise
                        cancelled = True
                        self.move(self._loop.time() + self._grace)
                    waited_for = steps.throw(error)
                except BaseException as error:
                    waited_for = steps.throw(error)
                else:
                    waited_for = steps.send(sent)
        except StopIteration as done:
            if cancelled or self.expired:
                self._give_up(task, before)
            return done.value  # type: ignore[no-any-return]
        except asyncio.CancelledError as error:
            self._give_up(task, before)
            if before:  # cancelled before this wait began
                raise
            raise RuntimeError(CANCELLED_ITSELF) from error
        except Exception as error:
            if cancelled:  # whatever it made of it
                self._give_up(task, before, error)
            raise
        finally:
            self._task = None

    def _give_up(self, task: asyncio.Task[Any], before: int, error: Exception | None = None) -> None:
        """Raise CancelledError when others cancelled the task, TimeoutError when it was this timer."""
        for _ in range(self._fired):
            task.uncancel()
        self._fired = 0
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        if self.expired:
            raise TimeoutError from error

    def _fire(self) -> None:
        self.expired = True
        if self._task is not None:
            self._fired += 1
            self._task.cancel()
