"""Runs as clients see them: start, answer, watch, stop, wait; and what becomes of them when the hub stops."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from runtime.errors import (
    Conflict,
    HubbubError,
    InvalidInput,
    NoSuchCheckpoint,
    NoSuchInterrupt,
    NoSuchRun,
    NotFound,
    Overloaded,
)
from runtime.graphs.version import Version, Versions
from runtime.records import Interrupt, Run, RunChange, RunStatus, Thread
from runtime.runs.alarms import Alarms
from runtime.runs.answers import Answer, answered, question, resuming
from runtime.runs.channel import Channel
from runtime.runs.channels import Channels
from runtime.runs.checks import checked_options
from runtime.runs.dispatch import Dispatcher
from runtime.runs.queue import RunQueue, Turn
from runtime.runs.run import SUPERSEDING, Ending, StartRun, completion, lifecycle
from runtime.runs.state import Place, ThreadState
from runtime.runs.threads import new_thread
from runtime.storage import Journal, Ledger
from runtime.telemetry import get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

_KEY_LENGTH = 255
_ALL = 1_000_000


class ReadsStates(Protocol):
    """Reads what is stored of a thread."""

    async def read(self, thread: str, place: Place) -> ThreadState | None:
        """Return the state at a place, None where nothing is stored yet; NoSuchCheckpoint."""


class Runs:
    """Every method takes the tenant first; another tenant's run looks like none at all."""

    def __init__(
        self,
        journal: Journal,
        channels: Channels,
        queue: RunQueue,
        dispatcher: Dispatcher,
        graphs: Versions,
        states: ReadsStates,
        ledger: Ledger,
    ) -> None:
        self._ledger = ledger
        self._journal, self._channels, self._queue = journal, channels, queue
        self._dispatcher, self._graphs, self._states = dispatcher, graphs, states
        self._alarms = Alarms()
        self._stopping = False
        self._accepting: set[asyncio.Future[Run]] = set()
        self.ended: Callable[[Run], None] = lambda run: None
        """Told of every run that has ended or waits for answers."""
        dispatcher.ended = self._has_ended

    # ----------------------------------------------------------------- what clients ask for

    async def start(self, request: StartRun) -> Run:
        """Accept a run; returns after it is on disk.

        The same idempotency key gives the same run, Conflict when it was asked for something else.
        NotFound for an unknown graph, InvalidInput for a wrong input, Overloaded when the queue is
        full, Conflict when the thread is busy and `multitask` is "reject", NoSuchCheckpoint.  A request
        without an input of its own goes on with the steps that are left, on the version they began with.
        """
        if self._stopping:
            raise Overloaded("The hub is stopping; send the run again in a moment.", retry_after=2.0)
        if earlier := await self._earlier(request):
            return earlier
        before = await self._interrupted(request) if request.goes_on else None
        # A new thread has its id before its graph's version is chosen, which may depend on it.
        id = request.thread or str(uuid.uuid4())
        version, goes_on = await self._version(request, before, id)
        version.validate_config(request.config)
        run = _new_run(request, version, before, goes_on=goes_on)
        thread, channel, new = await self._thread(request, id)
        run = replace(run, thread=thread.id)
        if run.options.multitask == "reject" and self._queue.busy(thread.id):
            raise Conflict(f"The thread {thread.id} has an active run; wait for it, or start with 'enqueue'.")
        background = run.options.background
        turn = None if run.options.start_at else self._queue.enter(thread.id, background=background)
        # Nothing can be in the way of such a run but the disk; the others may turn out to be somebody else's.
        at_once = version.waits_to_act and not run.idempotency_key and not before
        answers = before.id if before else None
        accepting = self._accept(run, thread, channel, turn, new=new, answers=answers, at_once=at_once)
        accepted = asyncio.ensure_future(accepting)
        self._accepting.add(accepted)
        accepted.add_done_callback(self._accepting.discard)
        # A client that goes away now must not leave a run on disk that nobody carries out.
        try:
            return await asyncio.shield(accepted)
        except Conflict:
            # Two requests with one key, at once: this is the other one's run.
            if earlier := await self._earlier(request):
                return earlier
            raise

    async def respond(self, tenant: str, thread: str, answer: Answer) -> Run:
        """Answer what a run of the thread asks, and let that run go on; returns after it is on disk.

        NoSuchInterrupt when nobody has asked this, Conflict when somebody else has answered it,
        InvalidInput when the answer does not fit the question's schema.
        """
        if self._stopping:
            raise Overloaded("The hub is stopping; send the answer again in a moment.", retry_after=2.0)
        _, channel = await self._own(tenant, thread)
        run = await self._asking(thread, answer)
        # Refused aloud, and before anything is written: the version it started with must be there.
        version = await self._graphs.version(run.graph, run.version)
        version.validate_config(answer.config)
        resumed = answered(run, answer)
        resumed = replace(resumed, options=checked_options(resumed.options, version))
        turn = self._queue.enter(thread, bounded=False)
        going_on = self._go_on(run, resumed, channel, turn)
        return await asyncio.shield(asyncio.ensure_future(going_on))

    async def inject(self, tenant: str, id: str, message: JsonObject) -> Run:
        """Send a message into an active run: it is in the state at the next step boundary.

        Returns after it is on disk.  Conflict when the run is not active, InvalidInput when its graph
        keeps no messages.
        """
        run = await self.get(tenant, id)
        if (await self._graphs.version(run.graph, run.version)).conversation is None:
            raise InvalidInput(
                f'The graph {run.graph} keeps no messages; declare a field with merge = "messages".'
            )
        active = self._dispatcher.active.get(id)
        if active is None:
            raise Conflict(f"The run {id} is not active ({run.status.value}); start a run with the message.")
        injected = (*active.control.injected, message)
        if await self._journal.change_options(id, replace(active.run.options, injected=injected)):
            raise Conflict(f"The run {id} has just ended; start a run with the message.")
        active.control.inject(message)
        return active.run

    async def get(self, tenant: str, id: str) -> Run:
        """Return a run; NoSuchRun."""
        active = self._dispatcher.active.get(id)
        run = active.run if active else await self._journal.run(id)
        if run is None or run.tenant != tenant:
            raise NoSuchRun(f"There is no run {id[:64]}; list the thread's runs to find it.")
        return run

    async def list(
        self, tenant: str, thread: str, limit: int = 10, offset: int = 0, status: tuple[RunStatus, ...] = ()
    ) -> list[Run]:
        """List a thread's runs, newest first, all or those in some states."""
        runs = await self._journal.runs(thread=thread, status=status, limit=limit, offset=offset)
        return [run for run in runs if run.tenant == tenant]

    def active(self, tenant: str, status: tuple[RunStatus, ...]) -> Sequence[Run]:
        """Return the tenant's runs that this process has not finished and that are in one of these states."""
        runs = [active.run for active in self._dispatcher.active.values()]
        return [run for run in runs if run.tenant == tenant and run.status in status]

    async def waiting(self, tenant: str, thread: str) -> Run | None:
        """Return the run of the thread that waits for answers, if one does."""
        found = await self._journal.runs(thread=thread, waiting=True, limit=1)
        return found[0] if found and found[0].tenant == tenant else None

    async def cancel(self, tenant: str, id: str, *, roll_back: bool = False) -> Run:
        """Stop a run, queued, running or waiting, and return its record; a finished run stays as it is.

        `roll_back` also takes back what it did to the thread's state, and deletes its record.
        """
        run = await self.get(tenant, id)
        if stopped := await self._dispatcher.cancel(id, roll_back=roll_back):
            return stopped
        if run.status is RunStatus.INTERRUPTED:
            return await self._give_up(run, roll_back=roll_back)
        return run

    async def delete(self, tenant: str, id: str) -> None:
        """Delete the record of a run; Conflict while it is active.  Its events stay in the thread's log."""
        run = await self.get(tenant, id)
        if run.status.active:
            raise Conflict(f"The run {id} is active; cancel it first.")
        await self._journal.delete_run(id)

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
        its attempts ends with an error that says so.  Questions get their alarms back.
        """
        left = await self._journal.runs(status=[RunStatus.ACCEPTED, RunStatus.RUNNING], limit=_ALL)
        for run in reversed(left):
            opened = await self._channels.get(run.thread)
            if opened is None:
                continue
            # They are on disk, and their clients were told: the bound of the queue is not for them.
            late = (run.options.start_at or 0) > time.time()
            background = run.options.background
            turn = None if late else self._queue.enter(run.thread, bounded=False, background=background)
            self._dispatcher.go(replace(run, status=RunStatus.ACCEPTED), opened[1], turn)
            self._supersede(run)
        for run in await self._journal.runs(undoing=True, status=[RunStatus.INTERRUPTED], limit=_ALL):
            if opened := await self._channels.get(run.thread):
                turn = self._queue.enter(run.thread, bounded=False)
                self._dispatcher.go(replace(run, status=RunStatus.ACCEPTED), opened[1], turn)
        for run in await self._journal.runs(waiting=True, limit=_ALL):
            self._set_alarm(run)
        return len(left)

    async def stop(self, deadline: float) -> None:
        """Accept nothing more, give running runs `deadline` seconds, leave the rest for recovery."""
        self._stopping = True
        await self._alarms.aclose()
        # Whoever asked may have left; what is being written would begin when all else has stopped.
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await self._dispatcher.stop(deadline)

    # ----------------------------------------------------------------- accepting

    async def _interrupted(self, request: StartRun) -> Run | None:
        """Return the run that a request without an input goes on from: the thread's newest, if it stopped."""
        newest = await self._journal.runs(thread=request.thread, limit=1) if request.thread else ()
        if newest and newest[0].tenant == request.tenant and newest[0].status is RunStatus.INTERRUPTED:
            return newest[0]
        command = request.options.command or {}
        if "resume" in command:
            where = f"thread {request.thread}" if request.thread else "new thread"
            raise Conflict(f"No run of the {where} waits for an answer; send an input instead.")
        return None

    async def _version(self, request: StartRun, before: Run | None, thread: str) -> tuple[Version, bool]:
        """Return the version that carries a request out, and whether it goes on with what is left to do."""
        if before and not request.options.checkpoint:
            return await self._same(request, before.graph, before.version), True
        if request.goes_on or request.options.checkpoint:
            state = await self._state(request)
            # Tasks and not `next`: a step that has written may wait for its checkpoint when a run is stopped.
            if request.goes_on and state and state.tasks:
                written = state.metadata["graph_id"], state.metadata["graph_version"]
                return await self._same(request, *written), True
        begins = request.options.checkpoint is None and request.options.command is None
        if request.version:
            return await self._graphs.version(request.graph, request.version), not begins
        return await self._graphs.get(request.graph, thread), not begins

    async def _state(self, request: StartRun) -> ThreadState | None:
        """Return the state that a request goes on from; None when there is none."""
        found = await self._channels.get(request.thread) if request.thread else None
        place = Place(request.options.checkpoint)
        if found and found[0].tenant == request.tenant:
            return await self._states.read(found[0].id, place)
        if place.checkpoint:
            raise NoSuchCheckpoint("A new thread has no checkpoints; name the thread of this one.")
        return None

    async def _same(self, request: StartRun, graph: str, version: str) -> Version:
        if graph != request.graph:
            raise InvalidInput(
                f"What is left to do is of the graph {graph}, not {request.graph}; name that one."
            )
        return await self._graphs.version(graph, version)

    async def _earlier(self, request: StartRun) -> Run | None:
        """Return the run that was started with the same key, if it was asked for the same."""
        key = request.idempotency_key
        if key is None:
            return None
        if not 0 < len(key) <= _KEY_LENGTH:
            raise InvalidInput(f"An idempotency key has 1 to {_KEY_LENGTH} characters; shorten it.")
        found = await self._journal.run_of_key(request.tenant, key)
        if found is None:
            return None
        if found.options.fingerprint != request.fingerprint:
            raise Conflict(
                f"The idempotency key {key} was used for another request (run {found.id}); use a new key."
            )
        active = self._dispatcher.active.get(found.id)
        return active.run if active else found

    async def _thread(self, request: StartRun, id: str) -> tuple[Thread, Channel, bool]:
        """Return the run's thread, its channel, and whether it is still to be stored."""
        named = request.thread is not None
        found = await self._channels.get(id) if named else None
        if found is None and named and not request.create_thread:
            raise NotFound(f"There is no thread {id}; create it first, or start with if_not_exists='create'.")
        thread, channel, new = (
            (*found, False) if found else self._channels.add(new_thread(request.tenant, id, {}))
        )
        if thread.tenant != request.tenant:
            raise NotFound(f"There is no thread {id}; create it first.")
        return thread, channel, new

    async def _accept(
        self,
        run: Run,
        thread: Thread,
        channel: Channel,
        turn: Turn | None,
        *,
        new: bool,
        answers: str | None,
        at_once: bool,
    ) -> Run:
        """Store the run, its first events and its claim (when it is its turn at once) in one commit.

        With `at_once` it begins meanwhile; what it sends is shown after the commit, by its place in the log.
        """
        # Clients look for threads by the graph that was run on them last.
        names = {"graph_id": run.graph, "assistant_id": run.graph}
        current, _ = self._channels.opened(thread.id) or (thread, channel)
        thread = replace(current, metadata={**current.metadata, **names})
        self._channels.update(thread)
        drafts = [lifecycle(run, RunStatus.ACCEPTED, attempt=1)]
        if turn and turn.granted:
            run = replace(run, status=RunStatus.RUNNING, attempt=1, fence=1)
            drafts.append(lifecycle(run, RunStatus.RUNNING, attempt=1))
        reserved = channel.promise()
        events = channel.number(run.id, drafts)
        stored = replace(thread, reserved=reserved)
        begun = at_once and run.status is RunStatus.RUNNING
        if begun:
            self._dispatcher.go(run, channel, turn)
        try:
            await self._journal.accept(run, events, thread=stored, new=new, answers=answers)
        except HubbubError:
            if begun:
                channel.forget(run.id)
                self._dispatcher.withdraw(run.id)
            elif turn:
                self._queue.leave(turn)
            channel.settle(events, committed=False, reserved=reserved)
            if new:
                self._channels.drop(thread.id)
            raise
        channel.newest_run_start = events[0].seq - 1
        if not begun:
            self._dispatcher.go(run, channel, turn)
        channel.settle(events, committed=True, reserved=reserved)
        self._supersede(run)
        return run

    def _supersede(self, run: Run) -> None:
        """Stop the thread's other runs, if this one was sent to take their place."""
        if run.options.multitask not in SUPERSEDING:
            return
        roll_back = run.options.multitask == "rollback"
        for other in self._dispatcher.on_thread(run.thread):
            if other.run.id != run.id:
                self._dispatcher.interrupt(other, roll_back=roll_back)

    # ----------------------------------------------------------------- answering

    async def _own(self, tenant: str, thread: str) -> tuple[Thread, Channel]:
        found = await self._channels.get(thread)
        if found is None or found[0].tenant != tenant:
            raise NotFound(f"There is no thread {thread}; create it first, or start a run on it.")
        return found

    async def _asking(self, thread: str, answer: Answer) -> Run:
        """Return the run that asks; the error says whether nobody has asked, or somebody has answered."""
        waiting = await self._journal.runs(thread=thread, waiting=True, limit=1)
        for id in answer.responses:
            try:
                question(waiting[0].waiting if waiting else (), id)
            except NoSuchInterrupt:
                if await self._journal.asked(thread, id):
                    raise Conflict(
                        f"The question {id} was answered already, or its run has ended; look at the state."
                    ) from None
                raise
        return waiting[0]

    async def _go_on(self, run: Run, resumed: Run, channel: Channel, turn: Turn) -> Run:
        drafts = []
        if turn.granted:
            resumed = replace(resumed, status=RunStatus.RUNNING, attempt=1)
            drafts = [lifecycle(resumed, RunStatus.RUNNING, attempt=1)]
        events = channel.number(run.id, drafts)
        try:
            if await self._journal.resume(resumed, events, fence=run.fence):
                raise Conflict(f"The run {run.id} was answered by somebody else; look at the thread's state.")
        except HubbubError:
            channel.settle(events, committed=False)
            self._queue.leave(turn)
            raise
        self._alarms.clear(run.id)
        self._dispatcher.go(resumed, channel, turn)
        channel.settle(events, committed=True)
        return resumed

    async def _give_up(self, run: Run, *, roll_back: bool) -> Run:
        """Cancel a run that waits for an answer."""
        _, channel = await self._own(run.tenant, run.thread)
        message = "The run was cancelled while it waited for an answer."
        error = {"code": "cancelled", "message": message, "step": None, "run": run.id}
        if await self._ledger.effects(run.id):
            return await self._undo(
                run, channel, Ending(RunStatus.CANCELLED, error=error, roll_back=roll_back)
            )
        ended = replace(run, status=RunStatus.CANCELLED, error=error, waiting=())
        event = lifecycle(ended, ended.status, attempt=run.attempt, error=error)
        change = RunChange(
            *(run.id, ended.status, run.fence), error=error, webhook=completion(ended), roll_back=roll_back
        )
        await channel.durable(run.id, [event], change)
        self._alarms.clear(run.id)
        self.ended(ended)
        return ended

    async def _undo(self, run: Run, channel: Channel, ending: Ending) -> Run:
        """End a run that waits, once what it did is undone; nobody can answer it any more."""
        about = {"status": ending.status.value, "error": ending.error, "roll_back": ending.roll_back}
        await self._ledger.end(run.id, about, waiting=True)
        self._alarms.clear(run.id)
        self._dispatcher.go(replace(run, waiting=()), channel, None, ending)
        return await asyncio.shield(self._dispatcher.active[run.id].finished)

    def _has_ended(self, run: Run) -> None:
        self._set_alarm(run)
        self.ended(run)

    def _set_alarm(self, run: Run) -> None:
        """See to it that a question whose time is over gets the answer it says."""
        due = [each for each in run.waiting if each.expires_at is not None]
        if run.status is RunStatus.INTERRUPTED and due:
            first = min(due, key=lambda each: each.expires_at or 0)
            self._alarms.set(run.id, first.expires_at or 0, partial(self._expire, run, first))

    async def _expire(self, run: Run, asked: Interrupt) -> None:
        # With it go the answers of all that are due: the items of a map may wait for the same moment.
        now = max(asked.expires_at or 0, time.time())
        due = {one.id: one.otherwise for one in run.waiting if one.expires_at and one.expires_at <= now}
        _log.info("nobody answered in time", run=run.id, thread=run.thread, interrupts=list(due))
        await self.respond(run.tenant, run.thread, Answer(due))


def _new_run(request: StartRun, version: Version, before: Run | None, *, goes_on: bool) -> Run:
    options = checked_options(request.options, version)
    if before is not None and not options.checkpoint:
        options = resuming(options, before.waiting)
    if request.idempotency_key:
        options = replace(options, fingerprint=request.fingerprint)
    if version.canary:
        options = replace(options, canary=True)
    now = time.time()
    return Run(
        id=str(uuid.uuid4()),
        thread=request.thread or "",
        tenant=request.tenant,
        graph=request.graph,
        version=version.version,
        status=RunStatus.ACCEPTED,
        input=None if request.input is None and goes_on else version.validate_input(request.input),
        created_at=now,
        updated_at=now,
        config=request.config,
        metadata=request.metadata,
        idempotency_key=request.idempotency_key,
        traceparent=request.traceparent,
        options=options,
    )
