"""`/admin`: what the `hubbub` program asks of the hub that serves its workspace; for its owner alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import orjson
from aiohttp import web

from hub.auth import TENANT
from hub.endpoint import Call, Endpoint, Nothing, reply
from hub.parts import KEYRING
from hub.publishing import outcome_object, waiting_runs
from runtime.errors import HubbubError, InvalidInput, NotFound
from runtime.records import ApiKey, KeyLimits
from runtime.search import IndexRequest, Measured, read_labels
from runtime.telemetry import get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

_NAME_LENGTH = 64
_PATHS = 10_000
_PATIENCE = 5.0
"""Seconds to wait for graph files that nobody has read yet."""
_BETWEEN = 0.05
"""Seconds between two lines of progress of the same phase: a terminal shows no more."""


class Indexing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /admin/index`; the paths are absolute."""

    paths: list[str]
    collection: str = "docs"
    tenant: str = TENANT
    prune: bool = True


class Measuring(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /admin/search/{task}`; the paths are absolute."""

    queries: str
    qrels: str
    collection: str = "docs"
    tenant: str = TENANT
    rerank: int = 0


class Publishing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /admin/graphs/{name}/publish`: how many of a hundred threads get it."""

    percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100


class Fitting(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /admin/recommend/fit`."""

    tenant: str = TENANT


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /admin/keys`."""

    name: str
    tenant: str = TENANT
    requests_per_minute: Annotated[int, msgspec.Meta(ge=0)] = 0
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=0)] = 0
    budget_usd: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    budget_per: Literal["day", "month"] = "day"


async def index(call: Call[Indexing]) -> web.StreamResponse:
    """Index files of this machine; one line of JSON for each piece of progress, the last with the totals."""
    given = call.given
    if not 0 < len(given.paths) <= _PATHS or not all(path.startswith("/") for path in given.paths):
        raise InvalidInput(f"`paths` names 1 to {_PATHS} files or folders by absolute paths; send those.")
    for name in (given.collection, given.tenant):
        _check_name(name)
    request = IndexRequest(given.tenant, given.collection, given.paths, given.prune)
    return await _stream(call, _progress(call, request), "indexing")


async def measure(call: Call[Measuring]) -> web.StreamResponse:
    """Measure (`eval`) or tune a collection's search; lines as when indexing, the last with the report."""
    given, task = call.given, call.path("task")
    if not (given.queries.startswith("/") and given.qrels.startswith("/")):
        raise InvalidInput("`queries` and `qrels` are absolute paths of files on this machine; send those.")
    for name in (given.collection, given.tenant):
        _check_name(name)
    if task not in ("eval", "tune"):
        raise NotFound(f"Search cannot be asked to {task}; ask for eval or tune.")
    labels = await asyncio.to_thread(read_labels, Path(given.queries), Path(given.qrels))
    evaluation = call.engine.search.evaluation(given.tenant, given.collection)
    measured = evaluation.tune(labels) if task == "tune" else evaluation.evaluate(labels, given.rerank)
    return await _stream(call, _mappings(measured), "measuring search")


async def _mappings(measured: AsyncIterator[Measured]) -> AsyncGenerator[JsonObject]:
    async for each in measured:
        yield asdict(each)


async def _stream(call: Call[Any], lines: AsyncGenerator[JsonObject], what: str) -> web.StreamResponse:
    """Write one line of JSON for each piece of progress; a failure is the last line."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(call.request)
    try:
        async with aclosing(lines):
            async for line in lines:
                await response.write(orjson.dumps(line) + b"\n")
    except HubbubError as error:
        await response.write(orjson.dumps({"error": {"code": error.code, "message": str(error)}}) + b"\n")
    except Exception as error:
        _log.error(f"{what} failed inside the hub", path=call.request.path, exc_info=error)
        sentence = f'It failed inside Hubbub; look for "{what} failed" in the hub\'s log.'
        await response.write(orjson.dumps({"error": {"code": "internal", "message": sentence}}) + b"\n")
    await response.write_eof()
    return response


async def _progress(call: Call[Indexing], request: IndexRequest) -> AsyncGenerator[JsonObject]:
    shown, phase = 0.0, ""
    async for progress in call.engine.search.index(request):
        now = time.monotonic()
        if progress.phase == phase and progress.done < progress.total and now - shown < _BETWEEN:
            continue
        shown, phase = now, progress.phase
        yield asdict(progress)


async def plugins(call: Call[Nothing]) -> web.Response:
    """List the plugins, loaded or not."""
    return reply([plugin.row for plugin in call.engine.catalog.plugins])


async def graphs(call: Call[Nothing]) -> web.Response:
    """List the graphs: the versions that new runs get, and what is wrong with what is written."""
    return reply([asdict(state) for state in await call.engine.graphs.states(_PATIENCE)])


async def publish(call: Call[Publishing]) -> web.Response:
    """Check, test and publish what is written of a graph; `refused` says that it was not published."""
    graph, engine = call.path("name"), call.engine
    done = await engine.graphs.publish(graph, call.given.percent)
    waiting = await waiting_runs(engine.journal, graph, done.version, done.canary)
    return reply(outcome_object(done, waiting))


async def rollback(call: Call[Nothing]) -> web.Response:
    """End a canary of a graph, or let new runs get its earlier version."""
    graph, engine = call.path("name"), call.engine
    done = await engine.graphs.rollback(graph)
    return reply(outcome_object(done, await waiting_runs(engine.journal, graph, done.version)))


async def rebuild_views(call: Call[Nothing]) -> web.Response:
    """Fold the whole log into the views anew; returns how many rows each has."""
    return reply(await call.engine.views.rebuild())


async def fit(call: Call[Fitting]) -> web.Response:
    """Fit a tenant's recommendations to all it has told; returns what was tried and what won."""
    return reply(await call.engine.refits.fit(call.given.tenant))


async def list_keys(call: Call[Nothing]) -> web.Response:
    """List the API keys, never their text."""
    return reply([_key(key) for key in call.request.app[KEYRING].list()])


async def create_key(call: Call[NewKey]) -> web.Response:
    """Make an API key; its text is in this answer and kept nowhere."""
    for name in (call.given.name, call.given.tenant):
        _check_name(name)
    given = call.given
    limits = KeyLimits(given.requests_per_minute, given.tokens_per_minute, given.budget_usd, given.budget_per)
    key, text = await call.request.app[KEYRING].create(given.name, given.tenant, limits)
    return reply({**_key(key), "key": text}, status=201)


async def revoke_key(call: Call[Nothing]) -> web.Response:
    """Refuse an API key from now on."""
    return reply(_key(await call.request.app[KEYRING].revoke(call.path("key_id"))))


def _key(key: ApiKey) -> JsonObject:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "created_at": key.created_at,
        "revoked": key.revoked,
        "limits": asdict(key.limits),
    }


def _check_name(name: str) -> None:
    if not (0 < len(name) <= _NAME_LENGTH and name.isprintable() and name == name.strip()):
        raise InvalidInput(f"A name is 1 to {_NAME_LENGTH} printable characters; choose another.")


ENDPOINTS = (
    Endpoint("POST", "/admin/index", "admin.index", index, Indexing, access="owner", long=True),
    Endpoint("POST", "/admin/search/{task}", "admin.search", measure, Measuring, access="owner", long=True),
    Endpoint("GET", "/admin/plugins", "admin.plugins", plugins, access="owner"),
    Endpoint("GET", "/admin/graphs", "admin.graphs", graphs, access="owner"),
    Endpoint("POST", "/admin/graphs/{name}/publish", "admin.publish", publish, Publishing, access="owner"),
    Endpoint("POST", "/admin/graphs/{name}/rollback", "admin.rollback", rollback, access="owner"),
    Endpoint("POST", "/admin/views/rebuild", "admin.views", rebuild_views, access="owner"),
    Endpoint("POST", "/admin/recommend/fit", "admin.fit", fit, Fitting, access="owner", long=True),
    Endpoint("GET", "/admin/keys", "admin.keys", list_keys, access="owner"),
    Endpoint("POST", "/admin/keys", "admin.keys", create_key, NewKey, access="owner"),
    Endpoint("DELETE", "/admin/keys/{key_id}", "admin.keys", revoke_key, access="owner"),
)
