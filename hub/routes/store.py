"""`/store`: what a tenant's graphs and applications remember across threads, as the LangGraph SDK asks."""

from __future__ import annotations

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, reply
from hub.routes.shapes import moment
from runtime.records import StoredItem
from runtime.store.requests import ItemQuery, NamespaceQuery, Put
from runtime.types import JsonObject


class NewItem(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PUT /store/items`; `ttl` is in minutes."""

    namespace: list[str]
    key: str
    value: JsonObject
    index: bool | list[str] | None = None
    ttl: float | None = None


class OneItem(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /store/items`; the labels of the namespace are joined by dots."""

    key: str
    namespace: str = ""
    refresh_ttl: bool | None = None


class OldItem(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `DELETE /store/items`."""

    key: str
    namespace: list[str] = []


class ItemSearch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /store/items/search`."""

    namespace_prefix: list[str] = []
    filter: JsonObject | None = None
    limit: int = 10
    offset: int = 0
    query: str | None = None
    refresh_ttl: bool | None = None


class NamespaceSearch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /store/namespaces`."""

    prefix: list[str] | None = None
    suffix: list[str] | None = None
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


async def put(call: Call[NewItem]) -> web.Response:
    """Store an item, or another value of it."""
    given = call.given
    item = Put(tuple(given.namespace), given.key, given.value, given.index, given.ttl)
    await call.engine.store.put(call.tenant, [item])
    return web.Response(status=204)


async def get(call: Call[OneItem]) -> web.Response:
    """Return an item; null when there is none, which the SDK expects."""
    given = call.given
    namespace = tuple(given.namespace.split(".")) if given.namespace else ()
    refresh = given.refresh_ttl is not False
    found = await call.engine.store.get(call.tenant, namespace, given.key, refresh=refresh)
    return reply(_item_object(found) if found else None)


async def delete(call: Call[OldItem]) -> web.Response:
    """Delete an item, if there is one."""
    await call.engine.store.put(call.tenant, [Put(tuple(call.given.namespace), call.given.key, None)])
    return web.Response(status=204)


async def search(call: Call[ItemSearch]) -> web.Response:
    """Find items by what they hold and by what they mean; says how, in the answer and with each item."""
    given = call.given
    query = ItemQuery(
        tuple(given.namespace_prefix),
        given.query,
        given.filter,
        given.limit,
        given.offset,
        given.refresh_ttl is not False,
    )
    found = await call.engine.store.search(call.tenant, query)
    how = {"mode": found.mode} if found.mode else {}
    items = [{**_item_object(item), "score": score, **how} for item, score in found.items]
    return reply({"items": items, **how, "degraded": found.degraded})


async def namespaces(call: Call[NamespaceSearch]) -> web.Response:
    """List the namespaces that hold items."""
    given = call.given
    query = NamespaceQuery(
        tuple(given.prefix or ()), tuple(given.suffix or ()), given.max_depth, given.limit, given.offset
    )
    return reply({"namespaces": await call.engine.store.namespaces(call.tenant, query)})


def _item_object(item: StoredItem) -> JsonObject:
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": item.value,
        "created_at": moment(item.created_at),
        "updated_at": moment(item.updated_at),
    }


ENDPOINTS = (
    Endpoint("PUT", "/store/items", "store.put", put, NewItem),
    Endpoint("GET", "/store/items", "store.get", get, OneItem, where="query"),
    Endpoint("DELETE", "/store/items", "store.delete", delete, OldItem),
    Endpoint("POST", "/store/items/search", "store.search", search, ItemSearch),
    Endpoint("POST", "/store/namespaces", "store.namespaces", namespaces, NamespaceSearch),
)
