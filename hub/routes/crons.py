"""`/runs/crons`: runs that are started again and again, as the LangGraph SDK asks for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from aiohttp import web

from hub.body import checked
from hub.endpoint import Anything, Call, Endpoint, Nothing, reply
from hub.routes.run_body import RunBody, start_run
from hub.routes.shapes import has, moment, ordered, selected
from runtime.errors import InvalidInput
from runtime.records import Cron
from runtime.types import JsonObject

MOST = 1000
"""The most crons in one answer."""


class CronBody(RunBody, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /runs/crons`: a run, and when it is started."""

    schedule: str
    timezone: str | None = None
    enabled: bool = True
    end_time: datetime | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    stream_mode: str | list[str] | None = None  # type: ignore[assignment]


class CronSearch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /runs/crons/search` and `/runs/crons/count`."""

    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: JsonObject | None = None
    limit: int = 10
    offset: int = 0
    sort_by: (
        Literal["cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date"] | None
    ) = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[str] | None = None


async def create(call: Call[CronBody]) -> web.Response:
    """Store a cron."""
    body, thread = call.given, call.request.match_info.get("thread_id")
    if thread is not None:
        await call.engine.threads.get(call.tenant, thread)
    await call.engine.graphs.get(body.assistant_id)
    cron = await call.engine.crons.create(
        start_run(call, body, thread),
        body.schedule,
        _payload(body),
        timezone=body.timezone,
        metadata=body.metadata or {},
        keep_threads=body.on_run_completed == "keep",
        enabled=body.enabled,
        end_at=_seconds(body.end_time),
    )
    return reply(cron_object(cron))


async def update(call: Call[Any]) -> web.Response:
    """Change some fields of a cron; the others stay."""
    cron = await call.engine.crons.get(call.tenant, call.path("cron_id"))
    whole = {**cron.payload, **call.given.value}
    if "assistant_id" in call.given.value:
        raise InvalidInput("A cron keeps its graph; delete it and create another one.")
    body = checked(whole, CronBody)
    changed = replace(
        cron,
        schedule=body.schedule,
        payload=_payload(body),
        timezone=body.timezone,
        metadata=body.metadata or {},
        keep_threads=body.on_run_completed == "keep",
        enabled=body.enabled,
        end_at=_seconds(body.end_time),
    )
    changed = await call.engine.crons.update(changed, start_run(call, body, cron.thread))
    return reply(cron_object(changed))


async def delete(call: Call[Nothing]) -> web.Response:
    """Delete a cron; runs that it has started go on."""
    await call.engine.crons.delete(call.tenant, call.path("cron_id"))
    return reply({})


async def search(call: Call[CronSearch]) -> web.Response:
    """List crons, the newest first unless asked otherwise."""
    given = call.given
    if not 1 <= given.limit <= MOST or given.offset < 0:
        raise InvalidInput(f"`limit` is 1 to {MOST} and `offset` not negative; ask for another page.")
    found = ordered(map(cron_object, await _found(call)), given.sort_by, given.sort_order)
    page = found[given.offset : given.offset + given.limit]
    return reply([selected(cron, given.select) for cron in page])


async def count(call: Call[CronSearch]) -> web.Response:
    """Count crons."""
    return reply(len(await _found(call)))


async def _found(call: Call[CronSearch]) -> list[Cron]:
    given = call.given
    return [
        cron
        for cron in await call.engine.crons.list(call.tenant)
        if given.assistant_id in (None, cron.graph)
        and given.thread_id in (None, cron.thread)
        and given.enabled in (None, cron.enabled)
        and has(cron.metadata, given.metadata)
    ]


def cron_object(cron: Cron) -> JsonObject:
    """Return a cron as the SDK reads it."""
    return {
        "cron_id": cron.id,
        "assistant_id": cron.graph,
        "thread_id": cron.thread,
        "on_run_completed": None if cron.thread else "keep" if cron.keep_threads else "delete",
        "end_time": None if cron.end_at is None else moment(cron.end_at),
        "schedule": cron.schedule,
        "timezone": cron.timezone,
        "created_at": moment(cron.created_at),
        "updated_at": moment(cron.updated_at),
        "payload": cron.payload,
        "user_id": None,
        "next_run_date": None if cron.next_at is None else moment(cron.next_at),
        "metadata": cron.metadata,
        "enabled": cron.enabled,
    }


def _payload(body: CronBody) -> JsonObject:
    given: JsonObject = msgspec.to_builtins(body)
    return {name: value for name, value in given.items() if value is not None}


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_CRON = "/runs/crons/{cron_id}"

ENDPOINTS = (
    Endpoint("POST", "/runs/crons", "crons.create", create, CronBody),
    Endpoint("POST", "/threads/{thread_id}/runs/crons", "crons.create", create, CronBody),
    Endpoint("POST", "/runs/crons/search", "crons.search", search, CronSearch),
    Endpoint("POST", "/runs/crons/count", "crons.count", count, CronSearch),
    Endpoint("PATCH", _CRON, "crons.update", update, Anything),
    Endpoint("DELETE", _CRON, "crons.delete", delete),
)
