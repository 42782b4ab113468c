"""What a client may ask of a run; what this hub cannot do is refused with a sentence, never ignored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, Literal, cast, get_args

import msgspec

from hub.endpoint import Call
from hub.routes.states import place_of
from hub.routes.stream_modes import LATER_MODES, StreamMode
from runtime.egress import Egress
from runtime.errors import InvalidInput
from runtime.graphs.version import CONFIG_KEYS, OURS
from runtime.records import RunOptions
from runtime.runs.run import StartRun
from runtime.types import JsonObject

Multitask = Literal["reject", "enqueue", "interrupt", "rollback"]

_MODES: Final = get_args(StreamMode)
_METADATA_KEYS = 64
_LATEST = 365 * 86400.0


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
    "feedback_keys": "There is no feedback service here; leave `feedback_keys` out.",
    "langsmith_tracer": "Traces go where [telemetry] in config.toml says; leave `langsmith_tracer` out.",
}


def start_run(call: Call[Any], body: RunBody, thread: str | None) -> StartRun:
    """Return the engine's request; InvalidInput names the first thing that is not possible.

    `stream_resumable` and `strict_resume` need nothing: every stream can be resumed, and an answer that
    nobody waits for is always refused.  "exit" is carried out as "async": more is stored than it asks for.
    """
    for name, sentence in _NOT_HERE.items():
        if getattr(body, name):
            raise InvalidInput(sentence)
    if thread is not None and body.on_completion is not None:
        raise InvalidInput("`on_completion` is for runs without a thread; leave it out.")
    if body.command is not None and body.input is not None:
        raise InvalidInput("A run is given an `input` or a `command`, not both; leave one out.")
    metadata = body.metadata or {}
    if len(metadata) > _METADATA_KEYS:
        raise InvalidInput(f"A run's metadata has at most {_METADATA_KEYS} keys; send fewer.")
    return StartRun(
        tenant=call.tenant,
        graph=body.assistant_id,
        input=body.input,
        thread=thread,
        create_thread=body.if_not_exists == "create",
        # Who joins the run without a wish of his own is sent the modes it was created with.
        config={**config_of(body.config or {}, body.context), "stream_mode": body.stream_mode},
        metadata=metadata,
        idempotency_key=call.idempotency_key,
        traceparent=call.traceparent,
        options=RunOptions(
            multitask=body.multitask_strategy,
            command=_command(body.command),
            checkpoint=_checkpoint(body),
            interrupt_before=_steps(body.interrupt_before),
            interrupt_after=_steps(body.interrupt_after),
            start_at=_start_at(body.after_seconds),
            webhook=_webhook(call, body),
            sync=body.durability == "sync",
            key=call.key,
            ephemeral=thread is None and body.on_completion != "keep",
        ),
    )


def _command(command: JsonObject | None) -> JsonObject | None:
    """Return a command without what it leaves empty; an answer may be null."""
    if command is None:
        return None
    found = {name: value for name, value in command.items() if value is not None or name == "resume"}
    if not found:
        raise InvalidInput("The command is empty; send `resume`, `update` or `goto`.")
    return found


def _checkpoint(body: RunBody) -> str | None:
    """Return the checkpoint to begin from: the SDKs name it in one of three places."""
    named = (body.config or {}).get("configurable")
    place = place_of(body.checkpoint or {}, body.checkpoint_id)
    if place.checkpoint is None and isinstance(named, dict):
        place = place_of(named)
    if not place.namespace:
        return place.checkpoint
    if root := place.around.get(""):
        raise InvalidInput(
            f"A run begins from a checkpoint of the whole graph; send {root}, which is around this one."
        )
    raise InvalidInput("A run begins from a checkpoint of the whole graph; leave checkpoint_ns empty.")


def _steps(named: str | Sequence[str] | None) -> Sequence[str]:
    return [named] if isinstance(named, str) else named or ()


def _start_at(after: float | None) -> float | None:
    if after is None or after == 0:
        return None
    if not 0 < after <= _LATEST:
        raise InvalidInput("`after_seconds` is 0 to a year; start the run later yourself.")
    return time.time() + after


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


def config_of(config: JsonObject, context: JsonObject | None = None) -> JsonObject:
    """Return what a client asks for beside its input; the graph itself says whether it takes that."""
    for name in config:
        if name not in CONFIG_KEYS:
            raise InvalidInput(f"`config.{name[:40]}` cannot be set for one run; set it in the graph.")
    for name in ("metadata", "configurable", "context"):
        if not isinstance(config.get(name) or {}, dict):
            raise InvalidInput(f"`config.{name}` is an object; mend it.")
    tags = config.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidInput("`config.tags` is a list of texts; mend it.")
    asked = {name: value for name, value in config.items() if value}
    # The SDKs repeat ids there that the address and the body say already.
    own = {name: value for name, value in asked.pop("configurable", {}).items() if name not in OURS}
    return asked | ({"configurable": own} if own else {}) | ({"context": context} if context else {})
