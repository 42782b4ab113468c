"""`/assistants`: to the LangGraph SDK every graph is an assistant, and its name is the id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, Nothing, reply
from hub.routes.shapes import has, moment, ordered, selected
from runtime.errors import HubbubError, InvalidInput, NotFound
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.graphs.version import Version

MOST = 1000
"""The most assistants in one answer."""


class AssistantSearch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /assistants/search` and `/assistants/count`."""

    graph_id: str | None = None
    name: str | None = None
    metadata: JsonObject | None = None
    limit: int = 10
    offset: int = 0
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[str] | None = None


class Drawn(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /assistants/{id}/graph`: whether, or how deep, the graphs inside are drawn too."""

    xray: str = "false"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /assistants/{id}/subgraphs`: whether to list what is inside the graphs inside."""

    recurse: bool = False


async def search(call: Call[AssistantSearch]) -> web.Response:
    """List the graphs that pass their check."""
    given = call.given
    if not 1 <= given.limit <= MOST or given.offset < 0:
        raise InvalidInput(f"`limit` is 1 to {MOST} and `offset` not negative; ask for another page.")
    found = await _found(call)
    page = found[given.offset : given.offset + given.limit]
    more = len(found) > given.offset + given.limit
    headers = {"X-Pagination-Total": str(len(found))}
    if more:
        headers["X-Pagination-Next"] = str(given.offset + given.limit)
    return reply([selected(assistant, given.select) for assistant in page], headers=headers)


async def count(call: Call[AssistantSearch]) -> web.Response:
    """Count the graphs that pass their check."""
    return reply(len(await _found(call)))


async def get(call: Call[Nothing]) -> web.Response:
    """Return a graph as an assistant."""
    return reply(_assistant(await _version(call)))


async def schemas(call: Call[Nothing]) -> web.Response:
    """Return the JSON Schemas of a graph."""
    version = await _version(call)
    return reply(
        {
            "graph_id": version.name,
            "input_schema": version.input_schema,
            "output_schema": version.output_schema,
            "state_schema": version.state_schema,
            "config_schema": version.config_schema,
            "context_schema": version.context_schema,
        }
    )


async def graph(call: Call[Drawn]) -> web.Response:
    """Return a graph's steps and edges."""
    return reply((await _version(call)).drawn(_xray(call.given.xray)))


async def subgraphs(call: Call[Inner]) -> web.Response:
    """Return the schemas of the graphs inside a graph, by the steps that lead to them."""
    wanted = call.request.match_info.get("namespace")
    found = (await _version(call)).subgraphs(recurse=call.given.recurse or wanted is not None)
    if wanted is None:
        return reply(found)
    if wanted not in found:
        known = ", ".join(found) or "none"
        raise NotFound(f"There is no graph inside at {wanted}; there is {known}.")
    return reply({wanted: found[wanted]})


def _xray(text: str) -> bool | int:
    if text in ("true", "false"):
        return text == "true"
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise InvalidInput("`xray` is true, false or a number of levels above 0; mend it.")


async def _version(call: Call[Any]) -> Version:
    return await call.engine.graphs.get(call.path("assistant_id"))


async def _found(call: Call[AssistantSearch]) -> list[JsonObject]:
    given, graphs = call.given, call.engine.graphs
    found = []
    for name in graphs.names():
        if given.graph_id not in (None, name) or (given.name or "").lower() not in name.lower():
            continue
        try:
            assistant = _assistant(await graphs.get(name))
        except HubbubError:
            continue  # a graph with mistakes is named on /healthz, and cannot be run
        if has(assistant["metadata"], given.metadata):
            found.append(assistant)
    return ordered(found, given.sort_by, given.sort_order or "asc")


def _assistant(version: Version) -> JsonObject:
    saved = moment(_saved_at(version))
    return {
        "assistant_id": version.name,
        "graph_id": version.name,
        "name": version.name,
        "description": version.about,
        # The SDK counts versions; ours is the hash of everything that decides.
        "version": 1,
        "metadata": {"created_by": "system", "graph_version": version.version},
        "config": {},
        "context": {},
        "created_at": saved,
        "updated_at": saved,
    }


def _saved_at(version: Version) -> float:
    try:
        return Path(version.file).stat().st_mtime
    except OSError:
        return 0.0


ENDPOINTS = (
    Endpoint("POST", "/assistants/search", "assistants.search", search, AssistantSearch),
    Endpoint("POST", "/assistants/count", "assistants.count", count, AssistantSearch),
    Endpoint("GET", "/assistants/{assistant_id}", "assistants.get", get),
    Endpoint("GET", "/assistants/{assistant_id}/schemas", "assistants.schemas", schemas),
    Endpoint("GET", "/assistants/{assistant_id}/graph", "assistants.graph", graph, Drawn, where="query"),
    *(
        Endpoint("GET", path, "assistants.subgraphs", subgraphs, Inner, where="query")
        for path in (
            "/assistants/{assistant_id}/subgraphs",
            "/assistants/{assistant_id}/subgraphs/{namespace}",
        )
    ),
)
