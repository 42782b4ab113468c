"""Threads as their owners see them: create, find, change, delete, and the state they are in."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from runtime.errors import Conflict, HubbubError, InvalidInput, NotFound
from runtime.journal.json_contains import holds
from runtime.records import Run, RunStatus, Thread, ThreadEntry, ThreadQuery, ThreadStatus
from runtime.runs.channel import Channel, Draft
from runtime.runs.channels import Channels
from runtime.runs.queue import RunQueue
from runtime.runs.run import lifecycle, requests
from runtime.runs.state import NEWEST, Place, ThreadState, Update
from runtime.storage import Journal
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.runs.states import States

Strategy = Literal["delete", "keep_latest"]

EVERY = ThreadQuery()
"""The query that finds every thread, the latest changed first."""

_ID_LENGTH = 128
_PAGE = 200


class Expiry(NamedTuple):
    """What becomes of a thread after so many seconds: it is deleted, or all but its newest state."""

    after: float
    strategy: Strategy = "delete"

    def on(self, thread: Thread) -> Thread:
        """Return a thread with this expiry, counted from now."""
        return replace(thread, expires_at=time.time() + self.after, expiry=self.strategy)


class Threads:
    """Every method takes the tenant first; another tenant's thread looks like none at all."""

    def __init__(self, journal: Journal, channels: Channels, queue: RunQueue, states: States) -> None:
        self._journal, self._channels, self._queue, self._states = journal, channels, queue, states

    async def create(
        self,
        tenant: str,
        thread_id: str | None = None,
        *,
        metadata: JsonObject | None = None,
        if_exists: Literal["raise", "do_nothing"] = "raise",
        supersteps: Sequence[Sequence[Update]] = (),
        expiry: Expiry | None = None,
    ) -> Thread:
        """Create a thread; Conflict when the id is taken, unless told to do nothing then.

        `supersteps` are a past: changes of the state of the graph that the metadata names (`graph_id`).
        """
        thread = new_thread(tenant, thread_id, metadata or {})
        thread = expiry.on(thread) if expiry else thread
        if thread_id and (found := await self._channels.get(thread.id)):
            if if_exists == "do_nothing" and found[0].tenant == tenant:
                return found[0]
            raise Conflict(
                f"The thread {thread_id} exists already; use another id or if_exists='do_nothing'."
            )
        thread = await self._journal.create_thread(thread)
        if supersteps:
            try:
                await self._states.update(thread.id, supersteps, graph=thread.metadata.get("graph_id"))
            except HubbubError:
                await self._journal.delete_thread(thread.id)
                raise
        return thread

    async def get(self, tenant: str, id: str) -> Thread:
        """Return a thread; NotFound."""
        return (await self._own(tenant, id))[0]

    async def channel(self, tenant: str, id: str) -> Channel:
        """Return a thread's live channel; NotFound."""
        return (await self._own(tenant, id))[1]

    async def entry(self, tenant: str, id: str) -> ThreadEntry:
        """Return a thread and what it is doing; NotFound."""
        await self._own(tenant, id)
        found = await self._journal.threads(tenant, ThreadQuery(ids=[id]), limit=1)
        if not found:
            raise NotFound(f"There is no thread {id}; it may have been deleted.")
        return found[0]

    async def search(
        self,
        tenant: str,
        query: ThreadQuery = EVERY,
        values: JsonObject | None = None,
        *,
        limit: int = 10,
        offset: int = 0,
    ) -> list[ThreadEntry]:
        """List threads; `values` is what their states hold at least, for which each one's state is read."""
        if not values:
            return list(await self._journal.threads(tenant, query, limit=limit, offset=offset))
        found: list[ThreadEntry] = []
        async for entry in self._holding(tenant, query, values):
            found.append(entry)
            if len(found) == limit + offset:
                break
        return found[offset:]

    async def count(self, tenant: str, query: ThreadQuery = EVERY, values: JsonObject | None = None) -> int:
        """Count threads."""
        if not values:
            return await self._journal.count_threads(tenant, query)
        return len([entry async for entry in self._holding(tenant, query, values)])

    async def update(
        self, tenant: str, id: str, metadata: JsonObject, expiry: Expiry | None = None
    ) -> Thread:
        """Merge metadata into a thread's, and say when it expires."""
        thread = await self.get(tenant, id)
        changed = replace(thread, metadata={**thread.metadata, **metadata}, updated_at=time.time())
        changed = expiry.on(changed) if expiry else changed
        # Before the write, which is on its way when this is next suspended: of two changes none is lost.
        self._channels.update(changed)
        await self._journal.update_thread(changed)
        return changed

    async def stay(self, tenant: str, id: str) -> None:
        """Let a thread not expire."""
        changed = replace(await self.get(tenant, id), expires_at=None, expiry=None)
        await self._journal.update_thread(changed)
        self._channels.update(changed)

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a thread and all it owns; Conflict while a run is active."""
        await self._own(tenant, id)
        if self._queue.busy(id):
            raise Conflict(f"The thread {id} has an active run; cancel it, then delete the thread.")
        await self._journal.delete_thread(id)
        self._channels.drop(id)

    async def prune(self, tenant: str, ids: Sequence[str], strategy: Strategy) -> int:
        """Delete threads, or all but their newest states; returns how many there were.

        Conflict, and nothing is done, when one of them is busy.
        """
        entries = await self._journal.threads(tenant, ThreadQuery(ids=ids), limit=len(ids))
        found = [entry.thread.id for entry in entries]
        for id in found:
            if self._queue.busy(id):
                raise Conflict(f"The thread {id} is busy; wait for its run, or leave it out.")
        if strategy == "keep_latest":
            await self._states.prune(found)
        else:
            for id in found:
                await self.delete(tenant, id)
        return len(found)

    async def status(self, tenant: str, id: str) -> ThreadStatus:
        """Say what the thread is doing."""
        return (await self.entry(tenant, id)).status

    async def _holding(
        self, tenant: str, query: ThreadQuery, values: JsonObject
    ) -> AsyncIterator[ThreadEntry]:
        for offset in count(0, _PAGE):
            page = await self._journal.threads(tenant, query, limit=_PAGE, offset=offset)
            for entry in page:
                state = await self.newest(entry)
                if state and holds(state.values, values):
                    yield entry
            if len(page) < _PAGE:
                return

    # ----------------------------------------------------------------- the state

    async def state(
        self, tenant: str, id: str, place: Place = NEWEST, *, subgraphs: bool = False
    ) -> ThreadState:
        """Return the newest state, or the one at a place; NoSuchCheckpoint.

        `subgraphs` also reads the states of the graphs that its steps run.  NotFound when the graph
        version that could read it is gone.
        """
        thread = await self.get(tenant, id)
        state = await self._states.read(id, place, subgraphs=subgraphs) or ThreadState(
            {}, metadata=thread.metadata
        )
        if place == NEWEST and not state.next and self._queue.busy(id):
            return replace(state, next=("__start__",))
        return state

    async def newest(self, entry: ThreadEntry) -> ThreadState | None:
        """Return the newest state of a thread that was found; None when nobody can read it any more."""
        try:
            return await self._states.read(entry.thread.id) or ThreadState({})
        except HubbubError:
            return None

    async def history(
        self,
        tenant: str,
        id: str,
        place: Place = NEWEST,
        *,
        limit: int = 10,
        before: str | None = None,
        metadata: JsonObject | None = None,
    ) -> list[ThreadState]:
        """Return the states, newest first: those before a checkpoint, and those that have this metadata."""
        await self._own(tenant, id)
        return await self._states.history(id, place, limit=limit, before=before, metadata=metadata)

    async def update_state(
        self, tenant: str, id: str, values: Any, *, as_node: str | None = None, place: Place = NEWEST
    ) -> Place:
        """Change the state as if a step had done it; returns the new checkpoint, which is on disk.

        Conflict while the thread is busy, NoSuchCheckpoint, InvalidInput when the graph cannot take the
        change.  A question that the new state does not ask any more waits no longer.
        """
        thread, channel = await self._own(tenant, id)
        with self._queue.hold(id):
            update = Update(values, as_node)
            new = await self._states.update(id, [[update]], place, graph=thread.metadata.get("graph_id"))
            await self._changed(channel, new)
        return new

    async def fork(self, tenant: str, id: str, place: Place) -> Place:
        """Make an older checkpoint the newest once more; returns its copy, which is on disk.

        Conflict while the thread is busy, NoSuchCheckpoint.
        """
        _, channel = await self._own(tenant, id)
        with self._queue.hold(id):
            new = await self._states.fork(id, place)
            await self._changed(channel, new)
        return new

    async def copy(self, tenant: str, id: str) -> Thread:
        """Return a new thread with the metadata and all checkpoints of this one.

        What a run of this thread waits for, the copy waits for as well, as long as it takes.
        """
        source = await self.get(tenant, id)
        thread = new_thread(tenant, None, source.metadata)
        newest = await self._journal.runs(thread=id, limit=1)
        if newest and newest[0].status is RunStatus.INTERRUPTED:
            await self._copy_waiting(newest[0], thread)
        else:
            await self._journal.create_thread(thread)
        await self._states.copy(id, thread.id)
        return thread

    async def _copy_waiting(self, run: Run, thread: Thread) -> None:
        copy = replace(
            run,
            id=str(uuid.uuid4()),
            thread=thread.id,
            created_at=thread.created_at,
            updated_at=thread.created_at,
            idempotency_key=None,
            options=replace(run.options, webhook=None, ephemeral=False),
            waiting=tuple(replace(each, expires_at=None) for each in run.waiting),
        )
        _, channel, _ = self._channels.add(thread)
        ended = lifecycle(copy, copy.status, attempt=copy.attempt)
        events = channel.number(copy.id, [*requests(copy.waiting), ended])
        stored = replace(thread, reserved=channel.promise())
        await self._journal.accept(copy, events, thread=stored, new=True)
        channel.settle(events, committed=True, reserved=stored.reserved)

    async def _changed(self, channel: Channel, place: Place) -> None:
        """Say on the thread that its state was changed, and let nobody wait for what it does not ask."""
        found = await self._journal.runs(thread=channel.thread, waiting=True, limit=1)
        if found and (newest := await self._states.read(channel.thread)):
            open = {each["id"] for each in newest.interrupts}
            await self._journal.ask(found[0].id, tuple(each for each in found[0].waiting if each.id in open))
        state = await self._states.read(channel.thread, place)
        assert state  # it was written just now
        data = {"id": place.checkpoint, **{key: state.metadata[key] for key in ("step", "source")}}
        if state.parent:
            data["parent_id"] = state.parent.checkpoint
        await channel.durable("", [Draft("checkpoints", data, place.namespace)])
        channel.live("", "values", state.values, place.namespace)

    async def _own(self, tenant: str, id: str) -> tuple[Thread, Channel]:
        found = await self._channels.get(id)
        if found is None or found[0].tenant != tenant:
            raise NotFound(f"There is no thread {id}; create it first, or start a run on it.")
        return found


def new_thread(tenant: str, id: str | None, metadata: JsonObject) -> Thread:
    """Return a new thread's record; InvalidInput when the id cannot be one."""
    if id is not None and not (0 < len(id) <= _ID_LENGTH and id.isprintable() and "/" not in id):
        raise InvalidInput(f"A thread id is 1 to {_ID_LENGTH} printable characters without '/'; use a UUID.")
    now = time.time()
    return Thread(id or str(uuid.uuid4()), tenant, metadata, now, now)
