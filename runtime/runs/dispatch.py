"""Takes accepted runs to their end: waits for their turn, claims, executes, writes the ending."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from runtime.errors import HubbubError
from runtime.extensions.catalog import Catalog
from runtime.records import Run, RunChange, RunStatus
from runtime.runs.alarms import until
from runtime.runs.channel import Channel, Draft
from runtime.runs.control import Control
from runtime.runs.messages import broken
from runtime.runs.probation import Probation
from runtime.runs.queue import RunQueue, Turn
from runtime.runs.run import Ending, completion, lifecycle, requests
from runtime.telemetry import Telemetry, bind, get_logger

_log = get_logger(__name__)

GRACE = 300.0
"""Seconds for which the thread of an ephemeral run stays after its end: a client may come back for it."""


class Executes(Protocol):
    """Executes one run."""

    async def execute(self, run: Run, channel: Channel, catalog: Catalog, control: Control) -> Ending:
        """Run it to its end, or to the boundary that `control` asks for; raises nothing but cancellation."""

    async def undo(self, run: Run, channel: Channel, catalog: Catalog, ending: Ending) -> Ending:
        """Undo what a failed run has done outside; returns its ending, with what could not be undone."""

    async def left_to_undo(self, run: Run) -> Ending | None:
        """Return how a run ends that was being undone when its process stopped."""


@dataclass(slots=True)
class Active:
    """A run that this process has accepted and not finished.  `run` is its record as last written.

    A run without a `turn` waits for the time it is to start at.
    """

    run: Run
    channel: Channel
    turn: Turn | None
    finished: asyncio.Future[Run]
    control: Control
    task: asyncio.Task[None] | None = None
    begun: bool = False
    cancelled: bool = False
    rolled_back: bool = False
    ending: Ending | None = None
    """How it ends, where that is known and it is only to be undone."""
    withdrawn: bool = False
    """Whether it could not be written, so that it never was."""

    @property
    def executing(self) -> bool:
        """Whether it has its turn."""
        return self.turn is not None and self.turn.granted


class Dispatcher:
    """Owns the task of every active run."""

    def __init__(
        self,
        queue: RunQueue,
        worker: Executes,
        catalog: Callable[[], Catalog],
        telemetry: Telemetry,
        attempts: int,
    ) -> None:
        self._queue, self._worker, self._catalog = queue, worker, catalog
        self._telemetry, self._attempts, self._probation = telemetry, attempts, Probation()
        self.active: dict[str, Active] = {}
        self.ended: Callable[[Run], None] = lambda run: None
        """Told of every run that has ended or waits for answers."""

    def go(self, run: Run, channel: Channel, turn: Turn | None, ending: Ending | None = None) -> None:
        """Begin with a run that is on disk or on its way there; status running means it is claimed.

        With an `ending` it is not executed any more: what it did is undone, then it ends like this.
        """
        finished: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        control = Control(run.options.injected)
        active = self.active[run.id] = Active(run, channel, turn, finished, control, ending=ending)
        active.task = asyncio.create_task(self._carry(active), name=f"run {run.id}")

    def withdraw(self, id: str) -> None:
        """Stop a run that was begun while it was being written, and could not be."""
        if active := self.active.get(id):  # it may have ended by itself: nothing of it can be written either
            active.withdrawn = True
            self.interrupt(active)

    def on_thread(self, thread: str) -> list[Active]:
        """Return the active runs of a thread, the oldest first."""
        return [active for active in self.active.values() if active.run.thread == thread]

    def interrupt(self, active: Active, *, roll_back: bool = False) -> None:
        """Begin to stop an active run; `roll_back` also takes back what it did."""
        active.cancelled, active.rolled_back = True, active.rolled_back or roll_back
        # A task that is cancelled before its first step would end without a trace, and keep its turn.
        if active.task and active.begun:
            active.task.cancel()

    async def cancel(self, id: str, *, roll_back: bool = False) -> Run | None:
        """Stop an active run and return its record; None when it is not active."""
        if (active := self.active.get(id)) is None:
            return None
        self.interrupt(active, roll_back=roll_back)
        return await asyncio.shield(active.finished)

    async def stop(self, deadline: float) -> None:
        """Give running runs `deadline` seconds to reach a step boundary; the next process goes on there."""
        running = [active.task for active in self.active.values() if active.task and active.executing]
        for active in self.active.values():
            active.control.leave()
        if running:
            await asyncio.wait(running, timeout=deadline)
        rest = [active.task for active in self.active.values() if active.task]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _carry(self, active: Active) -> None:
        run, active.begun = active.run, True
        bind(run=run.id, thread=run.thread, tenant=run.tenant)
        try:
            ending = await self._run(active)
            if active.withdrawn:
                return
            if ending.failed:
                ending = await self._undone(active, ending)
            await _to_its_end(self._end(active, ending))
        except HubbubError as error:
            # The journal refused or failed: nobody was told of an ending, the record is as it was.
            _log.error("run given up", reason=str(error))
        finally:
            if active.turn:
                self._queue.leave(active.turn)
            self.active.pop(active.run.id, None)
            if not active.finished.done():
                active.finished.set_result(active.run)
            if not active.run.status.active:
                self.ended(active.run)

    async def _undone(self, active: Active, ending: Ending) -> Ending:
        """Undo what the run did; a stop of the process leaves the rest to the next one."""
        ending = replace(ending, roll_back=ending.roll_back or active.rolled_back)
        run = active.run
        undoing = asyncio.ensure_future(self._worker.undo(run, active.channel, self._catalog(), ending))
        while not undoing.done():
            try:
                await asyncio.shield(undoing)
            except asyncio.CancelledError:
                if active.control.leaving:
                    undoing.cancel()
                    await asyncio.gather(undoing, return_exceptions=True)
                    return Ending(RunStatus.ACCEPTED)
        return undoing.result()

    async def _run(self, active: Active) -> Ending:
        if active.ending:
            return active.ending
        if active.cancelled:  # before its first step
            return _cancelled(active.run)
        try:
            await self._until_its_turn(active)
            again = active.run.status is RunStatus.ACCEPTED and active.run.fence > 0
            if again and (left := await self._worker.left_to_undo(active.run)):
                return left
            if active.run.status is RunStatus.ACCEPTED and (refused := await self._claim(active)):
                return refused
            self._telemetry.metrics.run_started(active.run.graph)
            return await self._worker.execute(active.run, active.channel, self._catalog(), active.control)
        except asyncio.CancelledError:
            if active.cancelled:
                return _cancelled(active.run)
            if active.run.status is RunStatus.RUNNING:
                return Ending(RunStatus.ACCEPTED)
            raise

    async def _until_its_turn(self, active: Active) -> None:
        run = active.run
        if active.turn is None:
            await until(run.options.start_at or 0)
            # It was accepted long ago: the bound of the queue is not for it.
            active.turn = self._queue.enter(run.thread, bounded=False)
        began = max(run.created_at, run.options.start_at or 0)
        with self._telemetry.queue_span(parent=run.traceparent, start=began):
            await active.turn.wait()

    async def _claim(self, active: Active) -> Ending | None:
        """Write that this process runs it now; an ending when it has been tried too often."""
        run = active.run
        if 0 < run.attempt == self._attempts - 1:
            await self._probation.begin(active.finished, partial(self._acquit, active))
        halves = await _halves(active) if run.attempt else []
        if run.attempt >= self._attempts:
            if halves:
                active.channel.durable(run.id, halves)
            message = (
                f"The run ended its process {run.attempt} times and is not tried again; see the hub's log."
            )
            error = {"code": "too_many_attempts", "message": message, "step": None, "run": run.id}
            return Ending(RunStatus.ERROR, error=error)
        run = replace(run, status=RunStatus.RUNNING, attempt=run.attempt + 1, fence=run.fence + 1)
        event = lifecycle(run, RunStatus.RUNNING, attempt=run.attempt)
        change = RunChange(run.id, run.status, run.fence, attempt=run.attempt, waiting=run.waiting)
        active.run = run  # before the commit: whatever interrupts it, the ending needs the newer fence
        await active.channel.durable(run.id, [*halves, event], change)
        return None

    def _acquit(self, active: Active) -> None:
        """Give a run its tries back: it is not the one that kills its process."""
        run = active.run
        change = RunChange(run.id, run.status, run.fence, attempt=1, waiting=run.waiting)
        active.channel.durable(run.id, [], change)

    async def _end(self, active: Active, ending: Ending) -> None:
        run = replace(
            active.run,
            status=ending.status,
            output=ending.output,
            error=ending.error,
            waiting=ending.waiting,
        )
        drafts = [*requests(run.waiting), lifecycle(run, run.status, attempt=run.attempt, error=run.error)]
        attempt = None
        if run.status is RunStatus.ACCEPTED:  # given back: what this process began does not count as a try
            run, drafts, attempt = replace(active.run, status=run.status), [], 0
        change = RunChange(
            *(run.id, run.status, run.fence, attempt),
            error=run.error,
            output=run.output,
            waiting=run.waiting,
            webhook=None if run.status.active else completion(run),
            roll_back=active.rolled_back or ending.roll_back,
            thread_expires_at=time.time() + GRACE if run.status.final and run.options.ephemeral else None,
        )
        await active.channel.durable(run.id, drafts, change)
        active.run = run
        if not run.status.active:
            seconds, canary = time.time() - run.created_at, run.options.canary
            self._telemetry.metrics.run_finished(run.graph, run.status.value, seconds, canary=canary)


def _cancelled(run: Run) -> Ending:
    message = "The run was cancelled before it ended."
    error = {"code": "cancelled", "message": message, "step": None, "run": run.id}
    return Ending(RunStatus.CANCELLED, error=error)


async def _halves(active: Active) -> list[Draft]:
    """Return the events that take back what the last attempt of a run has left half written."""
    sentence = "The hub was restarted while this was written; drop this half of it."
    return [
        broken(id, "restarted", sentence, namespace)
        for id, namespace in await active.channel.journal.open_messages(active.run.id)
    ]


async def _to_its_end(commit: Coroutine[Any, Any, None]) -> None:
    """Await one commit also when this task is cancelled meanwhile: a run's ending is not cut in two."""
    task = asyncio.ensure_future(commit)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
