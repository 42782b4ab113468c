"""The door of OpenAI's Responses: asked, come back to, followed, cancelled and deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from aiohttp import web

from hub.dialects.responses import Responses
from hub.endpoint import Anything, Call, Endpoint, Nothing, reply
from hub.responses import of_run
from hub.responses.answering import in_background, now, pieces, read
from hub.responses.asked import items_of, turns
from hub.responses.live import LIVE, Live, events_of
from hub.routes.door import send
from runtime.errors import Conflict, InvalidInput
from runtime.journal.responses import StoredResponse
from runtime.types import JsonObject, RawChunk

_DIALECT = Responses()
_LARGEST_PAGE = 100


class Retrieve(msgspec.Struct):
    """The query of a response that is come back to."""

    stream: bool = False
    starting_after: int = -1


class Page(msgspec.Struct):
    """The query of a list of input items."""

    after: str = ""
    limit: int = 20
    order: Literal["asc", "desc"] = "desc"


async def create(call: Call[Anything]) -> web.StreamResponse:
    """Answer, or begin to."""
    asked = await read(call, {})
    if call.given.value.get("background") is not True:
        return await send(call, _DIALECT, pieces(call, asked), stream=asked.request.stream)
    begun = await in_background(call, asked)
    if asked.request.stream:
        return await send(call, _DIALECT, _events(call, begun, -1, ours=True), stream=True)
    return reply(begun.answer if isinstance(begun, Live) else await now(call, begun))


async def retrieve(call: Call[Retrieve]) -> web.StreamResponse:
    """Return a response as it is now, or its events from where the client stands."""
    given, found = call.given, await _find(call)
    if given.stream:
        return await send(call, _DIALECT, _events(call, found, given.starting_after), stream=True)
    return reply(found.answer if isinstance(found, Live) else await now(call, found))


async def cancel(call: Call[Nothing]) -> web.Response:
    """Stop a response that is made in the background; one that has ended stays as it is."""
    found = await _find(call)
    stored = found.stored if isinstance(found, Live) else found
    if stored.request.get("background") is not True:
        raise InvalidInput("Only what was asked in the background can be cancelled; leave the connection.")
    if stored.run:
        await call.engine.runs.cancel(call.tenant, stored.run)
        return reply(await now(call, stored))
    answer = await call.request.app[LIVE].cancel(call.tenant, stored.id)
    return reply(answer or await now(call, stored))


async def delete(call: Call[Nothing]) -> web.Response:
    """Forget a response; the thread of a graph's run stays."""
    id = call.path("response_id")
    await call.engine.responses.delete(call.tenant, id)
    await call.request.app[LIVE].cancel(call.tenant, id)
    return reply({"id": id, "object": "response.deleted", "deleted": True})


async def input_items(call: Call[Page]) -> web.Response:
    """List what a response was asked with, the turns before it included."""
    found, page = await _find(call), call.given
    stored = found.stored if isinstance(found, Live) else found
    previous = stored.request.get("previous_response_id")
    before = await turns(call.engine, call.tenant, previous, {}) if previous else []
    given = [*before, *items_of(stored.request.get("input") or [])]
    items = [_item(item, f"{stored.id}_{index}") for index, item in enumerate(given)]
    if page.order == "desc":
        items.reverse()
    return reply(_listed(items, page))


def _listed(items: list[JsonObject], page: Page) -> JsonObject:
    """Return a page, as the SDK goes through them."""
    if not 0 < page.limit <= _LARGEST_PAGE:
        raise InvalidInput(f"`limit` is 1 to {_LARGEST_PAGE}; mend it.")
    ids = [item["id"] for item in items]
    if page.after and page.after not in ids:
        raise InvalidInput(f"There is no item {page.after[:100]} to go on after; take an id of this list.")
    first = ids.index(page.after) + 1 if page.after else 0
    shown = items[first : first + page.limit]
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {}
    return {"object": "list", "data": shown, "has_more": first + len(shown) < len(items), **ends}


def _item(item: JsonObject, id: str) -> JsonObject:
    """Return an item of the input with an id, its text as a part."""
    shown = {"type": "message", **item, "id": item.get("id") or f"in_{id.removeprefix('resp_')}"}
    if isinstance(content := shown.get("content"), str):
        kind = "output_text" if shown.get("role") == "assistant" else "input_text"
        shown["content"] = [{"type": kind, "text": content}]
    return shown


async def _find(call: Call[Any]) -> StoredResponse | Live:
    """Return a response; NoSuchResponse."""
    id = call.path("response_id")
    return call.request.app[LIVE].get(call.tenant, id) or await call.engine.responses.get(call.tenant, id)


async def _events(
    call: Call[Any], found: StoredResponse | Live, after: int, *, ours: bool = False
) -> AsyncGenerator[RawChunk, None]:
    """Yield the events with a number above `after`."""
    if isinstance(found, Live):
        async for event in found.follow(after):
            yield RawChunk(event)
    elif found.run:
        async for chunk in of_run.chunks(call.engine, found, after, ours=ours):
            yield chunk
    elif found.answer is None:
        raise Conflict("The hub was stopped before this answer was whole; ask again.")
    else:
        for event in await events_of(found, after):
            yield RawChunk(event)


ENDPOINTS = (
    Endpoint("POST", "/v1/responses", "responses", create, Anything, long=True),
    Endpoint(
        "GET", "/v1/responses/{response_id}", "response.get", retrieve, Retrieve, where="query", long=True
    ),
    Endpoint("POST", "/v1/responses/{response_id}/cancel", "response.cancel", cancel),
    Endpoint("DELETE", "/v1/responses/{response_id}", "response.delete", delete),
    Endpoint(
        "GET",
        "/v1/responses/{response_id}/input_items",
        "response.input_items",
        input_items,
        Page,
        where="query",
    ),
)
