"""`/threads`: durable conversations and the state they are in."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, Nothing, reply
from hub.routes.shapes import selected, state_object, thread_object
from runtime.errors import HubbubError, InvalidInput
from runtime.types import JsonObject, Thread

MOST = 1000
"""The most threads in one answer."""

_COUNTED = 1_000_000

Status = Literal["idle", "busy", "interrupted", "error"]


class NewThread(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads`."""

    thread_id: str | None = None
    metadata: JsonObject | None = None
    if_exists: Literal["raise", "do_nothing"] = "raise"
    supersteps: list[Any] | None = None
    ttl: Any = None


class ThreadChange(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PATCH /threads/{id}`; the metadata is merged."""

    metadata: JsonObject | None = None
    ttl: Any = None


class ThreadSearch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/search` and `/threads/count`."""

    metadata: JsonObject | None = None
    status: Status | None = None
    limit: int = 10
    offset: int = 0
    values: JsonObject | None = None
    ids: list[str] | None = None
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[str] | None = None
    extract: JsonObject | None = None


class Included(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}`."""

    include: str | None = None


class StateQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}/state`."""

    subgraphs: bool = False
    select: list[str] | None = None


class StateAt(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/{id}/state/checkpoint`."""

    checkpoint: JsonObject
    subgraphs: bool = False
    select: list[str] | None = None


async def create(call: Call[NewThread]) -> web.Response:
    """Create a thread."""
    given = call.given
    if given.supersteps:
        raise InvalidInput(
            "A thread cannot be made with a past (`supersteps`); leave it out and start a run."
        )
    _no_ttl(given.ttl)
    thread = await call.engine.threads.create(
        call.tenant, given.thread_id, metadata=given.metadata, if_exists=given.if_exists
    )
    return reply(await _described(call, thread))


async def get(call: Call[Included]) -> web.Response:
    """Return a thread with its values."""
    if call.given.include:
        raise InvalidInput(
            "Threads have no time to live, so there is nothing to include; leave `include` out."
        )
    return reply(await _described(call, await call.engine.threads.get(call.tenant, call.path("thread_id"))))


async def search(call: Call[ThreadSearch]) -> web.Response:
    """List threads, the latest changed first."""
    given = call.given
    _bounded(given)
    found = await call.engine.threads.search(
        call.tenant, limit=given.limit, offset=given.offset, metadata=given.metadata, status=given.status
    )
    whole = given.select is None or any(
        name.partition(".")[0] in ("values", "interrupts") for name in given.select
    )
    shown = [await _described(call, thread, values=whole) for thread in found]
    return reply([selected(thread, given.select) for thread in shown])


async def count(call: Call[ThreadSearch]) -> web.Response:
    """Count threads."""
    given = call.given
    _bounded(given)
    found = await call.engine.threads.search(
        call.tenant, limit=_COUNTED, offset=0, metadata=given.metadata, status=given.status
    )
    return reply(len(found))


async def update(call: Call[ThreadChange]) -> web.Response:
    """Merge metadata into a thread's."""
    _no_ttl(call.given.ttl)
    thread = await call.engine.threads.update(call.tenant, call.path("thread_id"), call.given.metadata or {})
    if "return=minimal" in call.request.headers.get("Prefer", ""):
        return web.Response(status=204)
    return reply(await _described(call, thread))


async def delete(call: Call[Nothing]) -> web.Response:
    """Delete a thread with all it owns."""
    await call.engine.threads.delete(call.tenant, call.path("thread_id"))
    return web.Response(status=204)


async def state(call: Call[StateQuery]) -> web.Response:
    """Return the newest state of a thread."""
    return await _state(call, None, call.given.select)


async def state_at(call: Call[StateQuery]) -> web.Response:
    """Return the state at a checkpoint that the path names."""
    return await _state(call, call.path("checkpoint_id"), call.given.select)


async def state_of_checkpoint(call: Call[StateAt]) -> web.Response:
    """Return the state at a checkpoint that the body names."""
    checkpoint = call.given.checkpoint
    if checkpoint.get("checkpoint_ns"):
        raise InvalidInput("This graph has no subgraphs; leave checkpoint_ns empty.")
    id = checkpoint.get("checkpoint_id")
    if id is not None and not isinstance(id, str):
        raise InvalidInput("The checkpoint_id must be text; send the one that a state has.")
    return await _state(call, id, call.given.select)


async def _state(call: Call[Any], checkpoint: str | None, select: list[str] | None) -> web.Response:
    thread = call.path("thread_id")
    found = await call.engine.threads.state(call.tenant, thread)
    if checkpoint is not None and checkpoint != found.checkpoint_id:
        raise InvalidInput(
            f"Only the newest checkpoint of a thread can be read, not {checkpoint}; leave it out."
        )
    return reply(selected(state_object(thread, found), select))


async def _described(call: Call[Any], thread: Thread, *, values: bool = True) -> JsonObject:
    threads = call.engine.threads
    status = await threads.status(call.tenant, thread.id)
    try:
        found = await threads.state(call.tenant, thread.id) if values else None
    except HubbubError:
        # Written by a graph version that is gone: the thread is still there and can be listed.
        found = None
    return thread_object(thread, status, found)


def _bounded(given: ThreadSearch) -> None:
    if not 1 <= given.limit <= MOST or given.offset < 0:
        raise InvalidInput(f"`limit` is 1 to {MOST} and `offset` not negative; ask for another page.")
    for name in ("values", "ids", "extract"):
        if getattr(given, name):
            raise InvalidInput(f"Threads cannot be searched by `{name}`; use `metadata` or `status`.")
    if given.sort_by and given.sort_by not in ("updated_at", "state_updated_at"):
        raise InvalidInput("Threads are sorted by `updated_at` only; leave `sort_by` out.")
    if given.sort_order == "asc":
        raise InvalidInput("Threads come the latest changed first; leave `sort_order` out.")


def _no_ttl(ttl: object) -> None:
    if ttl is not None:
        raise InvalidInput("A thread lives until it is deleted (`ttl` is not possible); leave it out.")


ENDPOINTS = (
    Endpoint("POST", "/threads", "threads.create", create, NewThread),
    Endpoint("POST", "/threads/search", "threads.search", search, ThreadSearch),
    Endpoint("POST", "/threads/count", "threads.count", count, ThreadSearch),
    Endpoint("GET", "/threads/{thread_id}", "threads.get", get, Included, where="query"),
    Endpoint("PATCH", "/threads/{thread_id}", "threads.update", update, ThreadChange),
    Endpoint("DELETE", "/threads/{thread_id}", "threads.delete", delete),
    Endpoint("GET", "/threads/{thread_id}/state", "state.get", state, StateQuery, where="query"),
    Endpoint("POST", "/threads/{thread_id}/state/checkpoint", "state.get", state_of_checkpoint, StateAt),
    Endpoint(
        "GET", "/threads/{thread_id}/state/{checkpoint_id}", "state.get", state_at, StateQuery, where="query"
    ),
)
