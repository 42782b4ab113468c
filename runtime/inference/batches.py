"""Calls of one model: at most so many at once, what waits is put together, and no more than so much waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from runtime.errors import LimitExceeded, Overloaded
from runtime.inference.opened import Function, Opened, Stop
from runtime.inference.tensors import Array

if TYPE_CHECKING:
    from runtime.extensions.threads import Threads
    from runtime.settings import InferenceSettings
    from runtime.telemetry.metrics import Metrics

Arrays: TypeAlias = Mapping[str, Array]


@dataclass(eq=False, slots=True)
class _Request:
    """One that waits, or is at work."""

    function: Function
    arrays: Arrays
    rows: int
    joins: Any
    """What requests have in common that may be one call; None for one that stays alone."""
    since: float
    done: asyncio.Future[Arrays] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batches:
    """The queue of one version of a model.

    A request is begun at once while a thread is free.  What comes meanwhile waits, and is one call then:
    batches grow with the load, and a hub that has little to do adds no wait.
    """

    def __init__(
        self,
        name: str,
        opened: Opened,
        settings: InferenceSettings,
        threads: Threads,
        metrics: Metrics | None,
    ) -> None:
        self._name, self._opened, self._settings = name, opened, settings
        self._threads, self._metrics = threads, metrics
        self._waiting: deque[_Request] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, function: Function, arrays: Arrays, rows: int) -> Arrays:
        """Return what `predict` or `explain` gives for these rows.

        Overloaded when too many wait, LimitExceeded when there is no answer in time.
        """
        if len(self._working) >= self._settings.threads and len(self._waiting) >= self._settings.queue:
            if self._metrics:
                self._metrics.model_refused(self._name)
            raise Overloaded(
                f"The model {self._name} has {len(self._waiting)} requests waiting; send yours in a moment."
            )
        request = _Request(function, arrays, rows, self._common(function, arrays), time.monotonic())
        self._waiting.append(request)
        self._begin()
        try:
            async with asyncio.timeout(self._settings.timeout):
                found = await request.done
        except TimeoutError:
            raise LimitExceeded(
                f"The model {self._name} gave no answer within {self._settings.timeout:g} s; "
                "send fewer rows, or raise [inference] timeout.",
                limit="timeout",
            ) from None
        if self._metrics:
            self._metrics.model_answered(self._name, time.monotonic() - request.since)
        return found

    def _common(self, function: Function, arrays: Arrays) -> Any:
        if not self._opened.joins or function is not self._opened.predict:
            return None
        return tuple((name, array.dtype, array.shape[1:]) for name, array in arrays.items())

    # ----------------------------------------------------------------------- what is begun when

    def _begin(self) -> None:
        """Begin calls while there are threads for them."""
        while self._waiting and len(self._working) < self._settings.threads:
            if self._waiting[0].done.done():
                self._waiting.popleft()  # its caller has left
                continue
            if self._lingers():
                return
            task = asyncio.create_task(self._work(self._taken()), name=f"model {self._name}")
            self._working.add(task)
            task.add_done_callback(self._ended)

    def _lingers(self) -> bool:
        """Whether the first one still waits for others; then a timer is set."""
        wait, first = self._settings.batch.wait, self._waiting[0]
        if wait is None or first.joins is None:
            return False
        left = first.since + wait - time.monotonic()
        rows = sum(each.rows for each in self._waiting if each.joins == first.joins)
        if left <= 0 or rows >= self._settings.batch.rows:
            return False
        if (
            self._timer is None
            or self._timer.cancelled()
            or self._timer.when() < asyncio.get_running_loop().time()
        ):
            self._timer = asyncio.get_running_loop().call_later(left, self._begin)
        return True

    def _taken(self) -> list[_Request]:
        """Take the first one out of the queue, and those that may be one call with it."""
        batch = [self._waiting.popleft()]
        first, rows = batch[0], batch[0].rows
        if first.joins is None:
            return batch
        kept: deque[_Request] = deque()
        while self._waiting and rows < self._settings.batch.rows:
            each = self._waiting.popleft()
            if each.done.done():
                continue
            if each.joins == first.joins and rows + each.rows <= self._settings.batch.rows:
                batch.append(each)
                rows += each.rows
            else:
                kept.append(each)
        self._waiting.extendleft(reversed(kept))
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._begin()

    # ----------------------------------------------------------------------- one call

    async def _work(self, batch: Sequence[_Request]) -> None:
        """Call the model once for all; when that fails, once for each: one must not spoil the others."""
        if len(batch) == 1:
            try:
                _end(batch[0], await self._call(batch))
            except Exception as error:
                _end(batch[0], error)
            return
        with contextlib.suppress(Exception):
            found, total = await self._call(batch), sum(each.rows for each in batch)
            if all(len(rows) == total for rows in found.values()):
                _share(batch, found)
                return
        for each in batch:
            await self._work([each])

    async def _call(self, batch: Sequence[_Request]) -> Arrays:
        first = batch[0]
        arrays = first.arrays
        if len(batch) > 1:
            arrays = {name: np.concatenate([each.arrays[name] for each in batch]) for name in arrays}
        stop = self._opened.stop()
        for each in batch:
            each.done.add_done_callback(lambda _: _stop_unheard(batch, stop))
        if self._metrics:
            self._metrics.model_called(self._name, sum(each.rows for each in batch), len(batch))
        found: Arrays = await self._threads.run(first.function, arrays, stop)
        return found


def _share(batch: Sequence[_Request], found: Arrays) -> None:
    """Give each request its rows."""
    at = 0
    for each in batch:
        _end(each, {name: rows[at : at + each.rows] for name, rows in found.items()})
        at += each.rows


def _end(request: _Request, outcome: Arrays | Exception) -> None:
    if request.done.done():
        return
    if isinstance(outcome, Exception):
        request.done.set_exception(outcome)
    else:
        request.done.set_result(outcome)


def _stop_unheard(batch: Sequence[_Request], stop: Stop) -> None:
    """End a call that nobody waits for any more: its thread is there for others."""
    if all(each.done.cancelled() for each in batch):
        stop.terminate = True
