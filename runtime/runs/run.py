"""The states of a run, and the lifecycle events that say so on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from runtime.errors import HubbubError, StepFailed
from runtime.runs.channel import Draft
from runtime.types import JsonObject, Run, RunStatus

Multitask = Literal["enqueue", "reject"]


@dataclass(frozen=True, slots=True)
class StartRun:
    """A request for a run.

    Without `thread` a new one is made; a named one that does not exist is made too unless
    `create_thread` is off.  `multitask` says what happens when the thread is busy: wait, or Conflict.
    """

    tenant: str
    graph: str
    input: JsonObject | None = None
    thread: str | None = None
    create_thread: bool = True
    config: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    idempotency_key: str | None = None
    traceparent: str | None = None
    multitask: Multitask = "enqueue"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its status, its output when it succeeded, what went wrong when it did not."""

    status: RunStatus
    output: JsonObject | None = None
    error: JsonObject | None = None


_WORDS = {
    RunStatus.ACCEPTED: "started",
    RunStatus.RUNNING: "running",
    RunStatus.SUCCESS: "completed",
    RunStatus.INTERRUPTED: "interrupted",
}


def lifecycle(run: Run, status: RunStatus, *, attempt: int, error: JsonObject | None = None) -> Draft:
    """Return the lifecycle event of a run's new status, in the words of the protocol.

    The protocol has no word for accepted, cancelled and timed out: these are "started" and "failed",
    and `metadata.status` says which.
    """
    data: JsonObject = {
        "event": _WORDS.get(status, "failed"),
        "run_id": run.id,
        "graph_name": run.graph,
        "graph_version": run.version,
        "attempt": attempt,
        "metadata": {"status": status.value},
    }
    if error:
        data["error"] = error["message"]
        data["metadata"] |= {key: error[key] for key in ("code", "step") if error.get(key)}
    return Draft("lifecycle", data)


def describe(error: Exception, run: str) -> JsonObject:
    """Return an error as it is kept with the run and shown to clients: code, sentence, step, run."""
    if isinstance(error, StepFailed):
        return {"code": error.cause_code, "message": str(error), "step": error.step, "run": run}
    if isinstance(error, HubbubError):
        return {"code": error.code, "message": str(error), "step": None, "run": run}
    sentence = f"The run failed inside Hubbub ({type(error).__name__}); look for {run} in the hub's log."
    return {"code": "internal", "message": sentence, "step": None, "run": run}
