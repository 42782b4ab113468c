"""Takes accepted runs to their end: waits for their turn, claims, executes, writes the ending."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from runtime.errors import HubbubError
from runtime.extensions.catalog import Catalog
from runtime.ports import RunChange
from runtime.runs.channel import Channel
from runtime.runs.queue import RunQueue, Turn
from runtime.runs.run import Ending, lifecycle
from runtime.telemetry import Telemetry, bind, get_logger
from runtime.types import Run, RunStatus

_log = get_logger(__name__)


class Executes(Protocol):
    """Executes one run."""

    async def execute(self, run: Run, channel: Channel, catalog: Catalog) -> Ending:
        """Run it to its end; raises nothing but cancellation."""


@dataclass(slots=True)
class Active:
    """A run that this process has accepted and not finished.  `run` is its record as last written."""

    run: Run
    channel: Channel
    turn: Turn
    finished: asyncio.Future[Run]
    task: asyncio.Task[None] | None = None
    cancelled: bool = False


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
        self._telemetry, self._attempts = telemetry, attempts
        self.active: dict[str, Active] = {}

    def go(self, run: Run, channel: Channel, turn: Turn) -> None:
        """Begin with a run that is on disk; status running means it is claimed already."""
        finished: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        active = self.active[run.id] = Active(run, channel, turn, finished)
        active.task = asyncio.create_task(self._carry(active), name=f"run {run.id}")

    async def cancel(self, id: str) -> Run | None:
        """Stop an active run and return its record; None when it is not active."""
        if (active := self.active.get(id)) is None:
            return None
        active.cancelled = True
        if active.task:
            active.task.cancel()
        return await asyncio.shield(active.finished)

    async def stop(self, deadline: float) -> None:
        """Give running runs `deadline` seconds, then leave the rest to the next process."""
        running = [active.task for active in self.active.values() if active.task and active.turn.granted]
        if running:
            await asyncio.wait(running, timeout=deadline)
        rest = [active.task for active in self.active.values() if active.task]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _carry(self, active: Active) -> None:
        run = active.run
        bind(run=run.id, thread=run.thread, tenant=run.tenant)
        try:
            await _to_its_end(self._end(active, await self._run(active)))
        except HubbubError as error:
            # The journal refused or failed: nobody was told of an ending, the record is as it was.
            _log.error("run given up", reason=str(error))
        finally:
            self._queue.leave(active.turn)
            self.active.pop(active.run.id, None)
            if not active.finished.done():
                active.finished.set_result(active.run)

    async def _run(self, active: Active) -> Ending:
        try:
            with self._telemetry.queue_span(parent=active.run.traceparent, start=active.run.created_at):
                await active.turn.wait()
            if active.run.status is RunStatus.ACCEPTED and (refused := await self._claim(active)):
                return refused
            self._telemetry.metrics.run_started(active.run.graph)
            return await self._worker.execute(active.run, active.channel, self._catalog())
        except asyncio.CancelledError:
            if not active.cancelled:
                raise  # the process stops; the next one goes on from the last checkpoint
            message = "The run was cancelled before it ended."
            error = {"code": "cancelled", "message": message, "step": None, "run": active.run.id}
            return Ending(RunStatus.CANCELLED, error=error)

    async def _claim(self, active: Active) -> Ending | None:
        """Write that this process runs it now; an ending when it has been tried too often."""
        run = active.run
        if run.attempt >= self._attempts:
            message = (
                f"The run ended its process {run.attempt} times and is not tried again; see the hub's log."
            )
            error = {"code": "too_many_attempts", "message": message, "step": None, "run": run.id}
            return Ending(RunStatus.ERROR, error=error)
        run = replace(run, status=RunStatus.RUNNING, attempt=run.attempt + 1, fence=run.fence + 1)
        event = lifecycle(run, RunStatus.RUNNING, attempt=run.attempt)
        change = RunChange(run.id, run.status, run.fence, attempt=run.attempt)
        active.run = run  # before the commit: whatever interrupts it, the ending needs the newer fence
        await active.channel.durable(run.id, [event], change)
        return None

    async def _end(self, active: Active, ending: Ending) -> None:
        run = replace(active.run, status=ending.status, output=ending.output, error=ending.error)
        event = lifecycle(run, run.status, attempt=run.attempt, error=run.error)
        change = RunChange(run.id, run.status, run.fence, error=run.error, output=run.output)
        await active.channel.durable(run.id, [event], change)
        active.run = run
        self._telemetry.metrics.run_finished(run.graph, run.status.value, time.time() - run.created_at)


async def _to_its_end(commit: Coroutine[Any, Any, None]) -> None:
    """Await one commit also when this task is cancelled meanwhile: a run's ending is not cut in two."""
    task = asyncio.ensure_future(commit)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
