"""The states of a run, what starts one, how one ends, and the events that say so on the wire."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from runtime.errors import HubbubError, StepFailed
from runtime.records import Interrupt, Run, RunOptions, RunStatus, Webhook
from runtime.runs.channel import Draft
from runtime.types import JsonObject

SUPERSEDING = frozenset({"interrupt", "rollback"})
"""Multitask strategies that stop the thread's other runs."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """A request for a run.

    Without `thread` a new one is made; a named one that does not exist is made too unless
    `create_thread` is off.  `options.multitask` says what happens when the thread is busy: "enqueue"
    waits, "reject" is a Conflict, "interrupt" and "rollback" stop the others, and the latter takes back
    what they did.  With a `version` it is that one and not the published one.
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
    options: RunOptions = field(default_factory=RunOptions)
    version: str | None = None

    @property
    def fingerprint(self) -> str:
        """What is asked for, as a hash: the same key may not be used for anything else."""
        what = (self.graph, self.input, self.thread, self.config, self.metadata)
        # The time is counted from the moment of the request; whoever asks, it is the same request.
        how = replace(self.options, start_at=None, key="")
        return hashlib.sha256(msgspec.json.encode((*what, how), order="deterministic")).hexdigest()

    @property
    def goes_on(self) -> bool:
        """Whether it brings no input of its own: it goes on from a checkpoint."""
        return self.input is None or self.options.command is not None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution ended: the run's new status, and what goes with it.

    ACCEPTED gives the run back to the queue of the next process; INTERRUPTED waits for answers to
    `waiting`, or to be gone on with when there are none.  `roll_back` takes back what it did to the state.
    """

    status: RunStatus
    output: JsonObject | None = None
    error: JsonObject | None = None
    waiting: tuple[Interrupt, ...] = ()
    roll_back: bool = False

    @property
    def failed(self) -> bool:
        """Whether the run is over and did not do what it was to do."""
        return self.status.final and self.status is not RunStatus.SUCCESS


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
    if run.options.canary:
        data["canary"] = True
    if error:
        data["error"] = error["message"]
        data["metadata"] |= {key: error[key] for key in ("code", "step") if error.get(key)}
    return Draft("lifecycle", data)


def requests(questions: Sequence[Interrupt]) -> list[Draft]:
    """Return the events that ask for answers: `payload` is the protocol's word, `value` the SDK's."""
    return [
        Draft(
            "input.requested",
            {"interrupt_id": each.id, "payload": each.value, "value": each.value}
            | ({"response_schema": each.schema} if each.schema else {}),
            each.namespace,
        )
        for each in questions
    ]


def completion(run: Run) -> Webhook | None:
    """Return the call that tells somebody elsewhere how a run has ended; None when nobody asked for it."""
    if run.options.webhook is None:
        return None
    now = time.time()
    body = {
        "run_id": run.id,
        "thread_id": run.thread,
        "assistant_id": run.graph,
        "created_at": run.created_at,
        "ended_at": now,
        "status": run.status.value,
        "metadata": run.metadata,
        "values": run.output,
        "error": run.error,
        "waiting": [{"id": each.id, "value": each.value} for each in run.waiting],
    }
    # A run that waits ends once more: each ending is told once.
    id = f"{run.id}:{run.fence}"
    return Webhook(id, run.tenant, run.options.webhook, body, created_at=now, due_at=now)


def describe(error: Exception, run: str) -> JsonObject:
    """Return an error as it is kept with the run and shown to clients: code, sentence, step, run."""
    if isinstance(error, StepFailed):
        return {"code": error.cause_code, "message": str(error), "step": error.step, "run": run}
    if isinstance(error, HubbubError):
        return {"code": error.code, "message": str(error), "step": None, "run": run}
    sentence = f"The run failed inside Hubbub ({type(error).__name__}); look for {run} in the hub's log."
    return {"code": "internal", "message": sentence, "step": None, "run": run}
