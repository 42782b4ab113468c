"""Threads, runs and states as the LangGraph SDK reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import InvalidInput
from runtime.records import Run, RunStatus, Thread, ThreadEntry
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.runs.state import Place, StateTask, ThreadState

RUN_STATUS: Final[Mapping[RunStatus, str]] = {
    RunStatus.ACCEPTED: "pending",
    RunStatus.RUNNING: "running",
    RunStatus.SUCCESS: "success",
    RunStatus.ERROR: "error",
    RunStatus.INTERRUPTED: "interrupted",
    RunStatus.CANCELLED: "interrupted",
    RunStatus.TIMEOUT: "timeout",
}
"""Our words for the status of a run in those of the SDK, which has none for cancelled."""


def moment(seconds: float) -> str:
    """Return Unix seconds as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def run_object(run: Run) -> JsonObject:
    """Return a run."""
    return {
        "run_id": run.id,
        "thread_id": run.thread,
        "assistant_id": run.graph,
        "created_at": moment(run.created_at),
        "updated_at": moment(run.updated_at),
        "status": RUN_STATUS[run.status],
        "metadata": {**run.metadata, "graph_version": run.version},
        "kwargs": {"input": run.input, "config": run.config},
        "multitask_strategy": run.options.multitask,
        "cancel_reason": "cancelled" if run.status is RunStatus.CANCELLED else None,
    }


def thread_object(entry: ThreadEntry, state: ThreadState | None) -> JsonObject:
    """Return a thread; `values` is None where its state was not read."""
    thread = entry.thread
    return {
        "thread_id": thread.id,
        "created_at": moment(thread.created_at),
        "updated_at": moment(thread.updated_at),
        "state_updated_at": moment(entry.state_updated_at),
        "metadata": thread.metadata,
        "status": entry.status,
        "config": {},
        "context": {},
        "values": state.values if state else None,
        "interrupts": {task.id: task.interrupts for task in state.tasks if task.interrupts} if state else {},
    }


def expiry_object(thread: Thread) -> JsonObject | None:
    """Return when a thread expires; None for one that stays."""
    if thread.expires_at is None:
        return None
    left = max(0.0, thread.expires_at - time.time())
    return {"strategy": thread.expiry, "ttl": left / 60, "expires_at": moment(thread.expires_at)}


def state_object(thread: str, state: ThreadState) -> JsonObject:
    """Return the state of a thread."""
    return {
        "values": state.values,
        "next": list(state.next),
        "checkpoint": checkpoint_object(thread, state.place),
        "metadata": state.metadata,
        "created_at": state.created_at,
        "parent_checkpoint": checkpoint_object(thread, state.parent) if state.parent else None,
        "tasks": [_task_object(thread, task) for task in state.tasks],
        "interrupts": state.interrupts,
        # Older clients read the checkpoint from here.
        "checkpoint_id": state.checkpoint_id,
        "parent_checkpoint_id": state.parent.checkpoint if state.parent else None,
    }


def checkpoint_object(thread: str, place: Place) -> JsonObject:
    """Return a checkpoint."""
    return {
        "thread_id": thread,
        "checkpoint_ns": place.ns,
        "checkpoint_id": place.checkpoint,
        "checkpoint_map": dict(place.around) or None,
    }


def _task_object(thread: str, task: StateTask) -> JsonObject:
    inside = None if task.inside is None else {"thread_id": thread, "checkpoint_ns": "|".join(task.inside)}
    return {
        "id": task.id,
        "name": task.name,
        "path": task.path,
        "error": task.error,
        "interrupts": task.interrupts,
        "checkpoint": inside,
        "state": state_object(thread, task.state) if task.state else None,
        "result": task.result,
    }


def selected(value: JsonObject, select: Sequence[str] | None) -> JsonObject:
    """Return only the selected fields, `values.KEY` for one of the state; InvalidInput for an unknown one."""
    if select is None:
        return value
    chosen: JsonObject = {}
    for name in select:
        outer, _, inner = name.partition(".")
        if outer not in value or (inner and outer != "values"):
            raise InvalidInput(f"There is no field {name} to select; choose from {', '.join(value)}.")
        if not inner:
            chosen[outer] = value[outer]
        elif inner in (value[outer] or {}):
            chosen.setdefault(outer, {})[inner] = value[outer][inner]
    return chosen


def has(metadata: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether metadata holds all that is wanted."""
    return all(metadata.get(key) == value for key, value in (wanted or {}).items())


def ordered(values: Iterable[JsonObject], by: str | None, order: str | None) -> list[JsonObject]:
    """Return objects sorted by one of their fields; as they are without `by`."""
    return list(values) if by is None else sorted(values, key=lambda value: value[by], reverse=order != "asc")
