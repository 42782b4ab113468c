"""Waiting for other people's coroutines: a deadline that holds also when they ignore cancellation."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")

GRACE = 2.0
"""Seconds a cancelled coroutine has for its clean-up before nobody waits for it any more."""
TURN = 256
"""Results in a row that came without waiting, after which the event loop gets a turn."""
CANCELLED_ITSELF = "it cancelled itself"


class Deadline:
    """One timer for any number of waits: cancels what is being awaited when its time has come.

    Between two waits it only remembers that it expired, so that it can span the pieces of a stream
    whose consumer does other things meanwhile.  A coroutine that swallows its cancellation and goes on
    waiting is left behind after `grace` seconds, and `deaf` says so.  The timer is set when something
    first has to wait: what answers at once costs half a microsecond.
    """

    __slots__ = ("_expired", "_fired", "_grace", "_handle", "_quick", "_task", "_when", "deaf")

    def __init__(self, when: float, *, grace: float = GRACE) -> None:
        self._when, self._grace = when, grace
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._fired = self._quick = 0
        self._expired = self.deaf = False

    @property
    def expired(self) -> bool:
        """Whether its time has come."""
        return self._expired or monotonic() >= self._when

    def move(self, when: float) -> None:
        """Expire at another time (on the clock of `time.monotonic()`)."""
        self._when = when
        if self._handle is not None:
            self._handle.cancel()
            self._handle = asyncio.get_running_loop().call_at(when, self._fire)

    def close(self) -> None:
        """Never expire."""
        self._when = float("inf")
        if self._handle is not None:
            self._handle.cancel()

    @types.coroutine
    def wait(self, awaitable: Awaitable[T]) -> Generator[Any, Any, T]:
        """Await it in this task; TimeoutError when the deadline passes first.

        Raises what it raises; a CancelledError that nobody asked for becomes a RuntimeError.
        """
        steps = awaitable.__await__()
        if self._expired or monotonic() >= self._when:
            self._expired = True
            steps.close()
            raise TimeoutError
        try:
            waited_for = steps.send(None)
        except StopIteration as done:
            self._quick += 1
            if self._quick >= TURN:
                # A stream that never waits would keep the loop, and with it every timer, to itself.
                self._quick = 0
                yield None
            return done.value  # type: ignore[no-any-return]
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError(CANCELLED_ITSELF) from error
        self._quick = 0
        return (yield from self.drive(steps, waited_for))

    @types.coroutine
    def drive(
        self, steps: Generator[Any, Any, T] | Coroutine[Any, Any, T], waited_for: Any
    ) -> Generator[Any, Any, T]:
        """Await what has begun and waits for `waited_for`, as `wait` does.

        Everything is passed through, as by `yield from`, but what becomes of a cancellation is noticed.
        """
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_at(self._when, self._fire)
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._task, self._fired = task, 0
        cancelled, fired, until = False, 0, 0.0
        try:
            while True:
                try:
                    sent = yield waited_for
                except GeneratorExit:
                    steps.close()
                    raise
                except asyncio.CancelledError as error:
                    if task.cancelling() > before:
                        if cancelled and self._fired > fired:
                            self.deaf = True
                            raise
                        if not cancelled:
                            cancelled, fired, until = True, self._fired, self._when
                            self.move(monotonic() + self._grace)
                    waited_for = steps.throw(error)
                except BaseException as error:
                    waited_for = steps.throw(error)
                else:
                    waited_for = steps.send(sent)
                if cancelled and not self._fired and task.cancelling() <= before:
                    # A scope inside has stopped what it waited for, and taken the cancellation back.
                    cancelled = False
                    self.move(until)
        except StopIteration as done:
            if cancelled or self._expired:
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
        if self._expired:
            raise TimeoutError from error

    def _fire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._fired += 1
            self._task.cancel()
