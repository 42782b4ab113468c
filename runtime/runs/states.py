"""What LangGraph has stored of a thread, read and changed with the graph version that wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import create_checkpoint
from langgraph.errors import InvalidUpdateError
from langgraph.types import StateSnapshot, StateUpdate

from runtime.errors import InvalidInput, NoSuchCheckpoint
from runtime.graphs.findings import near
from runtime.graphs.version import Version, Versions
from runtime.journal.checkpoints import JournalSaver
from runtime.runs.checks import checked_command
from runtime.runs.commands import command_of
from runtime.runs.questions import schema_of
from runtime.runs.state import NEWEST, Place, StateTask, ThreadState, Update
from runtime.types import JsonObject

_NO_STEPS = ("__input__", "__end__")
"""What `as_node` may be beside a step, in LangGraph's words."""

_KEPT = ("parents", "counters_since_delta_snapshot")
"""What the copy of a checkpoint has from the metadata of the first one."""


def written_by(version: Version) -> JsonObject:
    """Return the part of a checkpoint's metadata that says which version wrote it."""
    return {"graph_id": version.name, "graph_version": version.version}


@dataclass(frozen=True, slots=True)
class States:
    """The states of all threads.  NotFound, from all that read, when the version that wrote one is gone."""

    graphs: Versions
    saver: JournalSaver

    async def read(
        self, thread: str, place: Place = NEWEST, *, subgraphs: bool = False
    ) -> ThreadState | None:
        """Return the state at a place, None where nothing is stored yet; NoSuchCheckpoint.

        `subgraphs` also reads the states of the graphs that its steps run.
        """
        config = _config(thread, place)
        saved = await self.saver.aget_tuple(config)
        if saved is None:
            _must_exist(thread, place)
            return None
        version = await self._version(saved.metadata)
        snapshot = await version.compiled(self.saver).aget_state(config, subgraphs=subgraphs)
        return _state(snapshot, version.visible)

    async def history(
        self,
        thread: str,
        place: Place = NEWEST,
        *,
        limit: int = 10,
        before: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> list[ThreadState]:
        """Return states, newest first: those before a checkpoint, and those that have this metadata."""
        config, older = _config(thread, place), _before(before)
        filter = dict(metadata) if metadata else None
        stored = [each async for each in self.saver.alist(config, before=older, limit=limit, filter=filter)]
        states: list[ThreadState] = []
        for _, written in groupby(stored, key=lambda saved: _wrote(saved.metadata)):
            group = list(written)
            version = await self._version(group[0].metadata)
            snapshots = version.compiled(self.saver).aget_state_history(
                config, before=older, limit=len(group), filter=filter
            )
            states += [_state(snapshot, version.visible) async for snapshot in snapshots]
            older = _before(group[-1].config["configurable"]["checkpoint_id"])
        return states

    async def update(
        self,
        thread: str,
        supersteps: Sequence[Sequence[Update]],
        place: Place = NEWEST,
        *,
        graph: str | None = None,
    ) -> Place:
        """Change the state, one checkpoint for each superstep; returns the newest, which is on disk.

        `graph` is that of a thread without a state.  NoSuchCheckpoint, and InvalidInput when the graph
        has no such field or step, or cannot tell which step a change is of.
        """
        saved = await self.saver.aget_tuple(_config(thread, place))
        if saved is None:
            _must_exist(thread, place)
        version = await (self._version(saved.metadata) if saved else self._first(thread, graph))
        compiled = version.compiled(self.saver)
        if not place.namespace:
            supersteps = [[_checked(each, version) for each in updates] for updates in supersteps]
        for updates in supersteps:
            config: RunnableConfig = {**_config(thread, place), "metadata": written_by(version)}
            try:
                changed = await compiled.abulk_update_state(config, [[_langgraph(each) for each in updates]])
            except (InvalidUpdateError, ValueError) as error:
                raise InvalidInput(
                    f"The graph {version.name} cannot take this change: {str(error).splitlines()[0]}; "
                    "mend the values, or say in as_node which step made them."
                ) from None
            place = _place(changed)
        await self._written(thread, place)
        return place

    async def fork(self, thread: str, place: Place) -> Place:
        """Make a checkpoint the newest once more, with the same state and the same past; returns the copy."""
        saved = await self.saver.aget_tuple(_config(thread, place))
        if saved is None:
            raise _no_checkpoint(thread, place)
        version = await self._version(saved.metadata)
        kept = {key: value for key, value in saved.metadata.items() if key in _KEPT}
        step = saved.metadata["step"]
        metadata: Any = {**kept, "source": "fork", "step": step + 1}
        parent = _place(saved.parent_config) if saved.parent_config else Place(namespace=place.namespace)
        config: RunnableConfig = {**_config(thread, parent), "metadata": written_by(version)}
        copy = create_checkpoint(saved.checkpoint, None, step)
        made = await self.saver.aput(config, copy, metadata, {})
        place = replace(_place(made), around=place.around)
        await self._written(thread, place)
        return place

    async def copy(self, thread: str, to: str) -> None:
        """Copy all checkpoints of a thread to one that has none."""
        await self.saver.acopy_thread(thread, to)

    async def prune(self, threads: Sequence[str]) -> None:
        """Let go of all states of these threads but the newest."""
        await self.saver.aprune(threads)

    async def _written(self, thread: str, place: Place) -> None:
        """Return when a change is on disk; StorageError when it could not be written."""
        found = await self.saver.aget_tuple(_config(thread, place))
        if failure := self.saver.failure(thread):
            raise failure
        assert found

    async def _version(self, metadata: Mapping[str, Any]) -> Version:
        return await self.graphs.version(*_wrote(metadata))

    async def _first(self, thread: str, graph: str | None) -> Version:
        if graph is None:
            raise InvalidInput(
                f"The thread {thread} has no state, and its metadata names no graph_id; set that first."
            )
        return await self.graphs.get(graph, thread)


# --------------------------------------------------------------------------- from our words to LangGraph's


def _config(thread: str, place: Place) -> RunnableConfig:
    where: JsonObject = {"thread_id": thread, "checkpoint_ns": place.ns}
    if place.checkpoint:
        where["checkpoint_id"] = place.checkpoint
    if place.around:
        where["checkpoint_map"] = dict(place.around)
    return {"configurable": where}


def _before(checkpoint: str | None) -> RunnableConfig | None:
    return {"configurable": {"checkpoint_id": checkpoint}} if checkpoint else None


def _must_exist(thread: str, place: Place) -> None:
    if place.checkpoint or place.namespace:
        raise _no_checkpoint(thread, place)


def _no_checkpoint(thread: str, place: Place) -> NoSuchCheckpoint:
    if place.checkpoint:
        return NoSuchCheckpoint(
            f"The thread {thread} has no checkpoint {place.checkpoint[:64]}; its history has those it has."
        )
    return NoSuchCheckpoint(
        f"The thread {thread} has no state in {place.ns[:200]}; the tasks of its state name those it has."
    )


def _checked(update: Update, version: Version) -> Update:
    name = update.as_node
    if name is not None and name not in (*version.steps, *_NO_STEPS):
        raise InvalidInput(f"The graph {version.name} has no step {name[:100]}; {near(name, version.steps)}")
    if update.command:
        update = update._replace(command=checked_command(update.command, version))
    if isinstance(update.values, Mapping):
        return update._replace(values=version.validate_change(update.values))
    return update


def _langgraph(update: Update) -> StateUpdate:
    return StateUpdate(command_of(update.command) if update.command else update.values, update.as_node)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- and back


def _wrote(metadata: Mapping[str, Any]) -> tuple[str, str]:
    return metadata["graph_id"], metadata["graph_version"]


def _place(config: RunnableConfig) -> Place:
    where = config["configurable"]
    around = where.get("checkpoint_map") or {}
    return Place(where.get("checkpoint_id"), _namespace(where.get("checkpoint_ns", "")), around)


def _namespace(ns: str) -> tuple[str, ...]:
    return tuple(ns.split("|")) if ns else ()


def _state(snapshot: StateSnapshot, visible: Callable[[Any], JsonObject]) -> ThreadState:
    return ThreadState(
        values=visible(snapshot.values),
        next=tuple(snapshot.next),
        place=_place(snapshot.config),
        parent=_place(snapshot.parent_config) if snapshot.parent_config else None,
        metadata=dict(snapshot.metadata or {}),
        created_at=snapshot.created_at,
        tasks=[_task(task, visible) for task in snapshot.tasks],
    )


def _task(task: Any, visible: Callable[[Any], JsonObject]) -> StateTask:
    state = _state(task.state, visible) if isinstance(task.state, StateSnapshot) else None
    inside = state.place.namespace if state else None
    if isinstance(task.state, dict):
        inside = _namespace(task.state["configurable"]["checkpoint_ns"])
    return StateTask(
        id=task.id,
        name=task.name,
        path=task.path,
        error=str(task.error) if task.error else None,
        interrupts=[_interrupt(each) for each in task.interrupts],
        result=visible(task.result) if isinstance(task.result, Mapping) else task.result,
        inside=inside,
        state=state,
    )


def _interrupt(found: Any) -> JsonObject:
    schema = schema_of(found)
    return {"id": found.id, "value": found.value} | ({"response_schema": schema} if schema else {})
