"""`/events` and `/items`: what an application tells of its users and of what it offers them."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, reply


class Events(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /events`: each has `user`, `item`, `kind`, `at`, and may have `value`, `id`."""

    events: list[Any]


class Items(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /items`: each has an `id`, and may have `title`, `tags` and any other fields."""

    items: list[Any]


class OneUser(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `DELETE /events`."""

    user: str


async def record(call: Call[Events]) -> web.Response:
    """Take in what users did; one that was sent before counts once."""
    return reply({"events": await call.engine.interactions.record(call.tenant, call.given.events)})


async def put_items(call: Call[Items]) -> web.Response:
    """Take in items, each in the place of an older one with its id."""
    return reply({"items": await call.engine.interactions.put_items(call.tenant, call.given.items)})


async def forget(call: Call[OneUser]) -> web.Response:
    """Delete everything that is known of a user."""
    return reply({"events": await call.engine.interactions.forget(call.tenant, call.given.user)})


ENDPOINTS = (
    Endpoint("POST", "/events", "interactions.record", record, Events),
    Endpoint("DELETE", "/events", "interactions.forget", forget, OneUser, where="query"),
    Endpoint("POST", "/items", "interactions.items", put_items, Items),
)
