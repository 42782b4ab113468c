"""Threads as their owners see them: create, find, change, delete, and the state they are in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from runtime.errors import Conflict, InvalidInput, NotFound
from runtime.ports import Journal
from runtime.runs.channel import Channel
from runtime.runs.channels import Channels
from runtime.types import JsonObject, Run, RunStatus, Thread

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]

_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class ThreadState:
    """The state of a thread at one checkpoint.  `next` are the steps still to run."""

    values: JsonObject
    next: tuple[str, ...] = ()
    checkpoint_id: str | None = None
    parent_id: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    created_at: str | None = None
    tasks: list[JsonObject] = field(default_factory=list)
    interrupts: list[JsonObject] = field(default_factory=list)


class StateReader(Protocol):
    """Reads what LangGraph has checkpointed, with the graph that wrote it."""

    async def read(self, run: Run) -> ThreadState:
        """Return the newest state of the run's thread."""


class Threads:
    """Every method takes the tenant first; another tenant's thread looks like none at all."""

    def __init__(
        self, journal: Journal, channels: Channels, busy: Callable[[str], bool], states: StateReader
    ) -> None:
        self._journal, self._channels, self._busy, self._states = journal, channels, busy, states

    async def create(
        self,
        tenant: str,
        thread_id: str | None = None,
        *,
        metadata: JsonObject | None = None,
        if_exists: Literal["raise", "do_nothing"] = "raise",
    ) -> Thread:
        """Create a thread; Conflict when the id is taken, unless told to do nothing then."""
        thread = new_thread(tenant, thread_id, metadata or {})
        if thread_id and (found := await self._channels.get(thread.id)):
            if if_exists == "do_nothing" and found[0].tenant == tenant:
                return found[0]
            raise Conflict(
                f"The thread {thread_id} exists already; use another id or if_exists='do_nothing'."
            )
        return await self._journal.create_thread(thread)

    async def get(self, tenant: str, id: str) -> Thread:
        """Return a thread; NotFound."""
        return (await self._own(tenant, id))[0]

    async def channel(self, tenant: str, id: str) -> Channel:
        """Return a thread's live channel; NotFound."""
        return (await self._own(tenant, id))[1]

    async def search(
        self,
        tenant: str,
        *,
        limit: int = 10,
        offset: int = 0,
        metadata: JsonObject | None = None,
        status: ThreadStatus | None = None,
    ) -> list[Thread]:
        """List threads, the latest changed first, that have this metadata and status."""
        found: list[Thread] = []
        page, at, wanted = 200, 0, limit + offset
        while len(found) < wanted:
            rows = await self._journal.threads(tenant, limit=page, offset=at)
            for thread in rows:
                if any(thread.metadata.get(key) != value for key, value in (metadata or {}).items()):
                    continue
                if status is None or await self.status(tenant, thread.id) == status:
                    found.append(thread)
            if len(rows) < page:
                break
            at += page
        return found[offset:wanted]

    async def update(self, tenant: str, id: str, metadata: JsonObject) -> Thread:
        """Merge metadata into a thread's."""
        thread = await self.get(tenant, id)
        changed = replace(thread, metadata={**thread.metadata, **metadata}, updated_at=time.time())
        await self._journal.update_thread(changed)
        self._channels.update(changed)
        return changed

    async def stay(self, tenant: str, id: str) -> None:
        """Let a thread not expire."""
        changed = replace(await self.get(tenant, id), expires_at=None, expiry=None)
        await self._journal.update_thread(changed)
        self._channels.update(changed)

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a thread and all it owns; Conflict while a run is active."""
        await self._own(tenant, id)
        if self._busy(id):
            raise Conflict(f"The thread {id} has an active run; cancel it, then delete the thread.")
        await self._journal.delete_thread(id)
        self._channels.drop(id)

    async def status(self, tenant: str, id: str) -> ThreadStatus:
        """Say what the thread is doing."""
        await self._own(tenant, id)
        if self._busy(id):
            return "busy"
        newest = await self._journal.runs(thread=id, limit=1)
        if not newest:
            return "idle"
        status = newest[0].status
        if status is RunStatus.INTERRUPTED:
            return "interrupted"
        return "error" if status in (RunStatus.ERROR, RunStatus.TIMEOUT) else "idle"

    async def state(self, tenant: str, id: str, *, namespace: tuple[str, ...] = ()) -> ThreadState:
        """Return the newest state; `next` is never empty while a run is queued or running."""
        thread, _ = await self._own(tenant, id)
        if namespace:
            raise NotFound(
                f"There is no state at the namespace {'/'.join(namespace)}; this graph has no subgraphs."
            )
        newest = await self._journal.runs(thread=id, limit=1)
        if not newest:
            return ThreadState({}, metadata=thread.metadata)
        state = await self._states.read(newest[0])
        if not state.next and self._busy(id):
            return replace(state, next=("__start__",))
        return state

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


def state_of(snapshot: Any) -> ThreadState:
    """Return LangGraph's state snapshot as a ThreadState."""
    configurable = snapshot.config["configurable"]
    parent = (snapshot.parent_config or {}).get("configurable", {})
    interrupts = [{"id": each.id, "value": each.value} for task in snapshot.tasks for each in task.interrupts]
    return ThreadState(
        values=dict(snapshot.values),
        next=tuple(snapshot.next),
        checkpoint_id=configurable.get("checkpoint_id"),
        parent_id=parent.get("checkpoint_id"),
        metadata=dict(snapshot.metadata or {}),
        created_at=snapshot.created_at,
        tasks=[
            {
                "id": task.id,
                "name": task.name,
                "error": str(task.error) if task.error else None,
                "interrupts": [{"id": each.id, "value": each.value} for each in task.interrupts],
                "checkpoint": None,
                "state": None,
                "result": task.result,
            }
            for task in snapshot.tasks
        ],
        interrupts=interrupts,
    )
