"""Runs as clients see them: start, watch, cancel, wait; and what becomes of them when the hub stops."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

from runtime.errors import Conflict, HubbubError, InvalidInput, NotFound
from runtime.graphs.library import GraphLibrary
from runtime.ports import Journal
from runtime.runs.channel import Channel
from runtime.runs.channels import Channels
from runtime.runs.dispatch import Dispatcher
from runtime.runs.queue import RunQueue, Turn
from runtime.runs.run import StartRun, lifecycle
from runtime.runs.threads import new_thread
from runtime.types import JsonObject, Run, RunStatus, Thread

_KEY_LENGTH = 255
_UNFINISHED = 1_000_000


class Runs:
    """Every method takes the tenant first; another tenant's run looks like none at all."""

    def __init__(
        self,
        journal: Journal,
        channels: Channels,
        queue: RunQueue,
        dispatcher: Dispatcher,
        library: GraphLibrary,
    ) -> None:
        self._journal, self._channels, self._queue = journal, channels, queue
        self._dispatcher, self._library = dispatcher, library
        self._stopping = False

    # ----------------------------------------------------------------- what clients ask for

    async def start(self, request: StartRun) -> Run:
        """Accept a run; returns after it is on disk.

        The same idempotency key gives the same run, Conflict when it was asked for something else.
        NotFound for an unknown graph, InvalidInput for a wrong input, Overloaded when the queue is
        full, Conflict when the thread is busy and `multitask` is "reject".
        """
        if self._stopping:
            raise Conflict("The hub is stopping; send the run again in a moment.")
        version = self._library.get(request.graph)
        run = self._new_run(request, version.version, version.validate_input(request.input))
        if run.idempotency_key and (earlier := await self._earlier(run)):
            return earlier
        thread, channel, new = await self._thread(request)
        run = replace(run, thread=thread.id)
        if request.multitask == "reject" and self._queue.busy(thread.id):
            raise Conflict(f"The thread {thread.id} has an active run; wait for it, or start with 'enqueue'.")
        turn = self._queue.enter(thread.id)
        # A client that goes away now must not leave a run on disk that nobody carries out.
        return await asyncio.shield(asyncio.ensure_future(self._accept(run, thread, channel, turn, new=new)))

    async def get(self, tenant: str, id: str) -> Run:
        """Return a run; NotFound."""
        active = self._dispatcher.active.get(id)
        run = active.run if active else await self._journal.run(id)
        if run is None or run.tenant != tenant:
            raise NotFound(f"There is no run {id}; list the thread's runs to find it.")
        return run

    async def list(self, tenant: str, thread: str, limit: int = 10, offset: int = 0) -> list[Run]:
        """List a thread's runs, newest first."""
        runs = await self._journal.runs(thread=thread, limit=limit, offset=offset)
        return [run for run in runs if run.tenant == tenant]

    async def cancel(self, tenant: str, id: str) -> Run:
        """Stop a run, queued or running, and return its record; a finished run stays as it is."""
        run = await self.get(tenant, id)
        return await self._dispatcher.cancel(id) or run

    async def wait(self, tenant: str, id: str) -> Run:
        """Return the run's record when it is no longer active."""
        run = await self.get(tenant, id)
        active = self._dispatcher.active.get(id)
        return await asyncio.shield(active.finished) if active else run

    async def output(self, tenant: str, id: str) -> JsonObject:
        """Return what a successful run put out; Conflict when it has not succeeded."""
        run = await self.wait(tenant, id)
        if run.output is None:
            raise Conflict(f"The run {id} has no output; its status is {run.status.value}.")
        return run.output

    # ----------------------------------------------------------------- start and stop of the process

    async def recover(self) -> int:
        """Go on with the runs that the last process left unfinished, oldest first; returns how many.

        A run that was running starts another attempt from its last checkpoint; one that has used up
        its attempts ends with an error that says so.
        """
        left = await self._journal.runs(status=[RunStatus.ACCEPTED, RunStatus.RUNNING], limit=_UNFINISHED)
        for run in reversed(left):
            opened = await self._channels.get(run.thread)
            if opened is None:
                continue
            # They are on disk, and their clients were told: the bound of the queue is not for them.
            turn = self._queue.enter(run.thread, bounded=False)
            self._dispatcher.go(replace(run, status=RunStatus.ACCEPTED), opened[1], turn)
        return len(left)

    async def stop(self, deadline: float) -> None:
        """Accept nothing more, give running runs `deadline` seconds, leave the rest for recovery."""
        self._stopping = True
        await self._dispatcher.stop(deadline)

    # ----------------------------------------------------------------- accepting

    def _new_run(self, request: StartRun, version: str, input: JsonObject) -> Run:
        key = request.idempotency_key
        if key is not None and not 0 < len(key) <= _KEY_LENGTH:
            raise InvalidInput(f"An idempotency key has 1 to {_KEY_LENGTH} characters; shorten it.")
        now = time.time()
        return Run(
            id=str(uuid.uuid4()),
            thread=request.thread or "",
            tenant=request.tenant,
            graph=request.graph,
            version=version,
            status=RunStatus.ACCEPTED,
            input=input,
            created_at=now,
            updated_at=now,
            config=request.config,
            metadata=request.metadata,
            idempotency_key=key,
            traceparent=request.traceparent,
        )

    async def _earlier(self, run: Run) -> Run | None:
        """Return the run that was started with the same key, if it was asked for the same."""
        assert run.idempotency_key
        found = await self._journal.run_of_key(run.tenant, run.idempotency_key)
        if found is None:
            return None
        same = (found.graph, found.input) == (run.graph, run.input) and run.thread in ("", found.thread)
        if not same:
            raise Conflict(
                f"The idempotency key {run.idempotency_key} was used for another request (run {found.id}); "
                "use a new key."
            )
        active = self._dispatcher.active.get(found.id)
        return active.run if active else found

    async def _thread(self, request: StartRun) -> tuple[Thread, Channel, bool]:
        if request.thread is not None and (opened := await self._channels.get(request.thread)):
            if opened[0].tenant != request.tenant:
                raise NotFound(f"There is no thread {request.thread}; create it first.")
            return *opened, False
        if request.thread is not None and not request.create_thread:
            raise NotFound(
                f"There is no thread {request.thread}; create it first, or start with if_not_exists='create'."
            )
        thread = new_thread(request.tenant, request.thread, {})
        return thread, self._channels.add(thread), True

    async def _accept(self, run: Run, thread: Thread, channel: Channel, turn: Turn, *, new: bool) -> Run:
        """Store the run, its first events and its claim (when it is its turn at once) in one commit."""
        drafts = [lifecycle(run, RunStatus.ACCEPTED, attempt=1)]
        if turn.granted:
            run = replace(run, status=RunStatus.RUNNING, attempt=1, fence=1)
            drafts.append(lifecycle(run, RunStatus.RUNNING, attempt=1))
        reserved = channel.promise()
        events = channel.number(run.id, drafts)
        try:
            await self._journal.accept(run, events, thread=replace(thread, reserved=reserved), new=new)
        except HubbubError as error:
            channel.settle(events, committed=False)
            self._queue.leave(turn)
            if new:
                self._channels.drop(thread.id)
            if isinstance(error, Conflict) and run.idempotency_key and (earlier := await self._earlier(run)):
                return earlier
            raise
        channel.newest_run_start = events[0].seq - 1
        self._dispatcher.go(run, channel, turn)
        channel.settle(events, committed=True)
        return run
