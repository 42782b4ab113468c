"""`/threads/{id}/state` and `/history`: the state of a thread now and before, read and changed."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, reply
from hub.routes.shapes import checkpoint_object, selected, state_object
from runtime.errors import InvalidInput
from runtime.runs.state import Place
from runtime.types import JsonObject

MOST = 1000
"""The most states in one answer."""


class StateQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}/state` and `/threads/{id}/state/{checkpoint}`."""

    subgraphs: bool = False
    select: list[str] | None = None


class StateAt(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/{id}/state/checkpoint`."""

    checkpoint: JsonObject
    subgraphs: bool | None = None
    select: list[str] | None = None


class StateChange(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/{id}/state`."""

    values: Any = None
    as_node: str | None = None
    checkpoint: JsonObject | None = None
    checkpoint_id: str | None = None


class StatePatch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PATCH /threads/{id}/state`: metadata of the thread."""

    metadata: JsonObject


class History(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/{id}/history`."""

    limit: int = 10
    before: str | JsonObject | None = None
    metadata: JsonObject | None = None
    checkpoint: JsonObject | None = None
    select: list[str] | None = None


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}/history`."""

    limit: int = 10
    before: str | None = None


async def newest(call: Call[StateQuery]) -> web.Response:
    """Return the newest state of a thread."""
    return await _state(call, Place(), subgraphs=call.given.subgraphs)


async def at_id(call: Call[StateQuery]) -> web.Response:
    """Return the state at a checkpoint that the path names."""
    return await _state(call, Place(call.path("checkpoint_id")), subgraphs=call.given.subgraphs)


async def at_checkpoint(call: Call[StateAt]) -> web.Response:
    """Return the state at a checkpoint that the body names."""
    return await _state(call, place_of(call.given.checkpoint), subgraphs=bool(call.given.subgraphs))


async def change(call: Call[StateChange]) -> web.Response:
    """Change the state of a thread as if a step had done it."""
    given, thread = call.given, call.path("thread_id")
    place = place_of(given.checkpoint or {}, given.checkpoint_id)
    threads = call.engine.threads
    if given.as_node == "__copy__":
        if given.values is not None:
            raise InvalidInput("A checkpoint is copied as it is; leave `values` out, then change the copy.")
        new = await threads.fork(call.tenant, thread, place)
    else:
        new = await threads.update_state(
            call.tenant, thread, given.values, as_node=given.as_node, place=place
        )
    checkpoint = checkpoint_object(thread, new)
    # Older clients read the checkpoint as LangGraph's config.
    return reply({"checkpoint": checkpoint, "configurable": checkpoint, "checkpoint_id": new.checkpoint})


async def patch(call: Call[StatePatch]) -> web.Response:
    """Merge metadata into the thread's."""
    thread = call.path("thread_id")
    await call.engine.threads.update(call.tenant, thread, call.given.metadata)
    state = await call.engine.threads.state(call.tenant, thread)
    return reply({"checkpoint": checkpoint_object(thread, state.place)})


async def history(call: Call[History]) -> web.Response:
    """List the states of a thread, newest first."""
    given = call.given
    return await _history(
        call, given.limit, given.before, given.checkpoint or {}, given.metadata, given.select
    )


async def short_history(call: Call[HistoryQuery]) -> web.Response:
    """List the states of a thread, newest first."""
    return await _history(call, call.given.limit, call.given.before, {}, None, None)


def place_of(checkpoint: JsonObject, id: str | None = None) -> Place:
    """Return the place that a checkpoint of the SDK names; InvalidInput says what is wrong with it."""
    id = _text(checkpoint, "checkpoint_id") or id or None
    namespace = _text(checkpoint, "checkpoint_ns")
    around = checkpoint.get("checkpoint_map") or {}
    if not isinstance(around, dict) or not all(isinstance(each, str) for each in around.values()):
        raise InvalidInput(
            "`checkpoint_map` holds ids of checkpoints by namespace; send it as a state has it."
        )
    return Place(id, tuple(namespace.split("|")) if namespace else (), around)


async def _state(call: Call[Any], place: Place, *, subgraphs: bool) -> web.Response:
    thread = call.path("thread_id")
    found = await call.engine.threads.state(call.tenant, thread, place, subgraphs=subgraphs)
    return reply(selected(state_object(thread, found), call.given.select))


async def _history(
    call: Call[Any],
    limit: int,
    before: str | JsonObject | None,
    checkpoint: JsonObject,
    metadata: JsonObject | None,
    select: list[str] | None,
) -> web.Response:
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"`limit` is 1 to {MOST}; ask for the next states with `before`.")
    thread = call.path("thread_id")
    states = await call.engine.threads.history(
        *(call.tenant, thread, place_of(checkpoint)),
        limit=limit,
        before=_before(before),
        metadata=metadata,
    )
    return reply([selected(state_object(thread, state), select) for state in states])


def _before(before: str | JsonObject | None) -> str | None:
    """Return the id of a checkpoint that is given as such, as a checkpoint, or as LangGraph's config."""
    if isinstance(before, dict):
        inner = before.get("configurable")
        return _text(inner if isinstance(inner, dict) else before, "checkpoint_id") or None
    return before


def _text(checkpoint: JsonObject, name: str) -> str:
    value = checkpoint.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"The {name} of a checkpoint is text; send the one that a state has.")
    return value or ""


_STATE = "/threads/{thread_id}/state"

ENDPOINTS = (
    Endpoint("GET", _STATE, "state.get", newest, StateQuery, where="query"),
    Endpoint("POST", _STATE, "state.update", change, StateChange),
    Endpoint("PATCH", _STATE, "threads.update", patch, StatePatch),
    Endpoint("POST", f"{_STATE}/checkpoint", "state.get", at_checkpoint, StateAt),
    Endpoint("GET", f"{_STATE}/{{checkpoint_id}}", "state.get", at_id, StateQuery, where="query"),
    Endpoint("POST", "/threads/{thread_id}/history", "state.history", history, History),
    Endpoint(
        "GET", "/threads/{thread_id}/history", "state.history", short_history, HistoryQuery, where="query"
    ),
)
