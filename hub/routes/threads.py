"""`/threads`: durable conversations, found by what they hold and do."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, Nothing, reply
from hub.routes.extraction import extracted, read_paths
from hub.routes.shapes import expiry_object, selected, thread_object
from runtime.errors import InvalidInput
from runtime.records import ThreadEntry, ThreadOrder, ThreadQuery, ThreadStatus
from runtime.runs.state import Update
from runtime.runs.threads import Expiry, Strategy
from runtime.types import JsonObject

MOST = 1000
"""The most threads in one answer."""

_MINUTE = 60.0
_LONGEST = 100 * 365 * 24 * _MINUTE
_AT_ONCE = 16
"""How many states are read at the same time."""


class Ttl(msgspec.Struct, forbid_unknown_fields=True):
    """How many minutes a thread lives from now, and what becomes of it then."""

    ttl: float
    strategy: Strategy = "delete"


class SuperstepUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """A change of a state that a step is to have made."""

    values: Any = None
    command: JsonObject | None = None
    as_node: str | None = None


class Superstep(msgspec.Struct, forbid_unknown_fields=True):
    """Changes that steps are to have made at the same time."""

    updates: list[SuperstepUpdate]


class NewThread(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads`."""

    thread_id: str | None = None
    metadata: JsonObject | None = None
    if_exists: Literal["raise", "do_nothing"] = "raise"
    supersteps: list[Superstep] | None = None
    ttl: Ttl | float | None = None


class ThreadChange(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PATCH /threads/{id}`; the metadata is merged."""

    metadata: JsonObject | None = None
    ttl: Ttl | float | None = None


class ThreadCount(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/count`."""

    metadata: JsonObject | None = None
    values: JsonObject | None = None
    status: ThreadStatus | None = None
    ids: list[str] | None = None


class ThreadSearch(ThreadCount, forbid_unknown_fields=True):
    """The body of `POST /threads/search`."""

    limit: int = 10
    offset: int = 0
    sort_by: ThreadOrder | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[str] | None = None
    extract: dict[str, str] | None = None


class Pruning(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /threads/prune`."""

    thread_ids: list[str]
    strategy: Strategy = "delete"


class Included(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}`."""

    include: str | None = None


async def create(call: Call[NewThread]) -> web.Response:
    """Create a thread."""
    given = call.given
    past = [
        [Update(each.values, each.as_node, each.command) for each in step.updates]
        for step in given.supersteps or ()
    ]
    thread = await call.engine.threads.create(
        call.tenant,
        given.thread_id,
        metadata=given.metadata,
        if_exists=given.if_exists,
        supersteps=past,
        expiry=_expiry(given.ttl),
    )
    return await _reply(call, thread.id)


async def get(call: Call[Included]) -> web.Response:
    """Return a thread with its values."""
    if call.given.include not in (None, "ttl"):
        raise InvalidInput("`include` is ttl, or left out.")
    entry = await call.engine.threads.entry(call.tenant, call.path("thread_id"))
    shown = await _described(call, entry)
    if call.given.include:
        shown["ttl"] = expiry_object(entry.thread)
    return reply(shown)


async def search(call: Call[ThreadSearch]) -> web.Response:
    """List threads, the latest changed first unless another order is asked for."""
    given, select = call.given, call.given.select
    if not 1 <= given.limit <= MOST or given.offset < 0:
        raise InvalidInput(f"`limit` is 1 to {MOST} and `offset` not negative; ask for another page.")
    paths = read_paths(given.extract or {})
    wanted = [*(select or ("values",)), *(str(path[0]) for path in paths.values())]
    with_state = any(name.partition(".")[0] in ("values", "interrupts") for name in wanted)
    found = await call.engine.threads.search(
        call.tenant, _query(given), given.values, limit=given.limit, offset=given.offset
    )
    limit = asyncio.Semaphore(_AT_ONCE)

    async def shown(entry: ThreadEntry) -> JsonObject:
        async with limit:
            whole = await _described(call, entry, values=with_state)
        more = {"extracted": extracted(paths, whole)} if paths else {}
        return selected(whole, select) | more

    return reply(await asyncio.gather(*map(shown, found)))


async def count(call: Call[ThreadCount]) -> web.Response:
    """Count threads."""
    given = call.given
    return reply(await call.engine.threads.count(call.tenant, _query(given), given.values))


async def update(call: Call[ThreadChange]) -> web.Response:
    """Merge metadata into a thread's."""
    thread = await call.engine.threads.update(
        call.tenant, call.path("thread_id"), call.given.metadata or {}, _expiry(call.given.ttl)
    )
    if "return=minimal" in call.request.headers.get("Prefer", ""):
        return web.Response(status=204)
    return await _reply(call, thread.id)


async def delete(call: Call[Nothing]) -> web.Response:
    """Delete a thread with all it owns."""
    await call.engine.threads.delete(call.tenant, call.path("thread_id"))
    return web.Response(status=204)


async def copy(call: Call[Nothing]) -> web.Response:
    """Make a thread with the same metadata and the same past."""
    return await _reply(call, (await call.engine.threads.copy(call.tenant, call.path("thread_id"))).id)


async def prune(call: Call[Pruning]) -> web.Response:
    """Delete threads, or all but their newest states."""
    if len(call.given.thread_ids) > MOST:
        raise InvalidInput(f"`thread_ids` are at most {MOST}; send them in parts.")
    pruned = await call.engine.threads.prune(call.tenant, call.given.thread_ids, call.given.strategy)
    return reply({"pruned_count": pruned})


async def _reply(call: Call[Any], thread: str) -> web.Response:
    return reply(await _described(call, await call.engine.threads.entry(call.tenant, thread)))


async def _described(call: Call[Any], entry: ThreadEntry, *, values: bool = True) -> JsonObject:
    return thread_object(entry, await call.engine.threads.newest(entry) if values else None)


def _query(given: ThreadCount) -> ThreadQuery:
    ids, metadata, status = given.ids, given.metadata or {}, given.status
    if not isinstance(given, ThreadSearch):
        return ThreadQuery(ids, metadata, status)
    return ThreadQuery(ids, metadata, status, given.sort_by or "updated_at", given.sort_order == "asc")


def _expiry(ttl: Ttl | float | None) -> Expiry | None:
    if ttl is None:
        return None
    asked = ttl if isinstance(ttl, Ttl) else Ttl(ttl)
    if not 0 < asked.ttl <= _LONGEST:
        raise InvalidInput("`ttl` is a number of minutes above 0; leave it out for a thread that stays.")
    return Expiry(asked.ttl * _MINUTE, asked.strategy)


ENDPOINTS = (
    Endpoint("POST", "/threads", "threads.create", create, NewThread),
    Endpoint("POST", "/threads/search", "threads.search", search, ThreadSearch),
    Endpoint("POST", "/threads/count", "threads.count", count, ThreadCount),
    Endpoint("POST", "/threads/prune", "threads.prune", prune, Pruning),
    Endpoint("GET", "/threads/{thread_id}", "threads.get", get, Included, where="query"),
    Endpoint("PATCH", "/threads/{thread_id}", "threads.update", update, ThreadChange),
    Endpoint("DELETE", "/threads/{thread_id}", "threads.delete", delete),
    Endpoint("POST", "/threads/{thread_id}/copy", "threads.copy", copy),
)
