"""What a client may ask of a run; what this hub cannot do is refused with a sentence, never ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast, get_args

import msgspec

from hub.egress import Egress
from hub.endpoint import Call
from hub.routes.stream_modes import LATER_MODES, StreamMode
from runtime.errors import InvalidInput
from runtime.runs.run import StartRun
from runtime.types import JsonObject, RunOptions

Multitask = Literal["reject", "enqueue", "interrupt", "rollback"]

_MODES: Final = get_args(StreamMode)
_METADATA_KEYS = 64


class RunBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST …/runs`, `…/runs/stream` and `…/runs/wait`, with every field of the SDK."""

    assistant_id: str
    input: JsonObject | None = None
    command: JsonObject | None = None
    config: JsonObject | None = None
    context: JsonObject | None = None
    metadata: JsonObject | None = None
    stream_mode: str | list[str] = "values"
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    multitask_strategy: Multitask = "enqueue"
    if_not_exists: Literal["create", "reject"] = "reject"
    on_disconnect: Literal["cancel", "continue"] = "continue"
    on_completion: Literal["delete", "keep"] | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    checkpoint_during: bool | None = None
    checkpoint: JsonObject | None = None
    checkpoint_id: str | None = None
    interrupt_before: str | list[str] | None = None
    interrupt_after: str | list[str] | None = None
    feedback_keys: list[str] | None = None
    webhook: str | None = None
    after_seconds: float | None = None
    strict_resume: bool | None = None
    langsmith_tracer: JsonObject | None = None


_NOT_HERE: Final[dict[str, str]] = {
    "command": "A run cannot be given a `command` here; send `input`.",
    "context": "Graphs here take no `context`; put the values into `input`.",
    "checkpoint": "A run starts from the newest state; leave `checkpoint` out.",
    "checkpoint_id": "A run starts from the newest state; leave `checkpoint_id` out.",
    "interrupt_before": "Runs cannot be stopped before a step; leave `interrupt_before` out.",
    "interrupt_after": "Runs cannot be stopped after a step; leave `interrupt_after` out.",
    "feedback_keys": "There is no feedback service here; leave `feedback_keys` out.",
    "after_seconds": "A run starts at once; leave `after_seconds` out and send it later.",
    "strict_resume": "A run cannot be resumed with an answer here; leave `strict_resume` out.",
    "langsmith_tracer": "Traces go where [telemetry] in config.toml says; leave `langsmith_tracer` out.",
}


def start_run(call: Call[Any], body: RunBody, thread: str | None) -> StartRun:
    """Return the engine's request; InvalidInput names the first thing that is not possible."""
    for name, sentence in _NOT_HERE.items():
        if getattr(body, name):
            raise InvalidInput(sentence)
    if body.multitask_strategy not in ("reject", "enqueue"):
        raise InvalidInput(
            "A running run is not replaced by a new one; use multitask_strategy 'enqueue' or 'reject'."
        )
    if body.durability not in (None, "async") or body.checkpoint_during is False:
        raise InvalidInput(
            "Steps are stored while the next one runs (durability 'async'); leave `durability` out."
        )
    if body.on_completion == "delete":
        raise InvalidInput(
            "The thread of a run is kept; leave `on_completion` out and delete the thread afterwards."
        )
    metadata = body.metadata or {}
    if len(metadata) > _METADATA_KEYS:
        raise InvalidInput(f"A run's metadata has at most {_METADATA_KEYS} keys; send fewer.")
    return StartRun(
        tenant=call.tenant,
        graph=body.assistant_id,
        input=body.input,
        thread=thread,
        create_thread=body.if_not_exists == "create",
        config=_config(body.config or {}),
        metadata=metadata,
        idempotency_key=call.idempotency_key,
        traceparent=call.traceparent,
        options=RunOptions(multitask=body.multitask_strategy, webhook=_webhook(call, body)),
    )


def _webhook(call: Call[Any], body: RunBody) -> str | None:
    return body.webhook and Egress(call.engine.settings.egress.allow).check(body.webhook)


def modes_of(asked: str | Sequence[str]) -> list[StreamMode]:
    """Return the stream modes asked for; InvalidInput names one that is not possible."""
    modes = [asked] if isinstance(asked, str) else list(asked)
    for mode in modes:
        if mode in LATER_MODES:
            raise InvalidInput(
                f"The stream mode {mode} is not offered here; choose from {', '.join(_MODES)}."
            )
        if mode not in _MODES:
            raise InvalidInput(f"There is no stream mode {mode[:40]}; choose from {', '.join(_MODES)}.")
    return cast("list[StreamMode]", modes)


def _config(config: JsonObject) -> JsonObject:
    """Check what a client may set: its tags and metadata, and the ids that the SDKs repeat."""
    taken = {"tags", "metadata", "configurable"}
    for name in config:
        if name not in taken:
            raise InvalidInput(f"`config.{name[:40]}` cannot be set for one run; set it in the graph file.")
    configurable = config.get("configurable") or {}
    if not isinstance(configurable, dict) or configurable.keys() - {"thread_id", "checkpoint_ns", "graph_id"}:
        raise InvalidInput(
            "`config.configurable` holds nothing that a graph here reads; put the values into `input`."
        )
    tags = config.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidInput("`config.tags` is a list of texts; mend it.")
    return {key: config[key] for key in ("tags", "metadata") if config.get(key)}
