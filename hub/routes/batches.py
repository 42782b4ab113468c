"""`/batches`: tables whose rows are runs of a graph; made, watched, read, paused, gone on with, cancelled."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import orjson
from aiohttp import web

from hub.endpoint import Call, Endpoint, Nothing, reply
from hub.routes.shapes import moment
from runtime.batches.batch import Batch, BatchStatus, NewBatch, NewRow, RowResult, RowStatus
from runtime.errors import Conflict, InvalidInput
from runtime.types import JsonObject

MOST = 1000
"""The most batches in one answer."""

_LINES = "application/x-ndjson"


class File(msgspec.Struct, forbid_unknown_fields=True):
    """Where rows come from that are sent in parts."""

    name: str
    sha256: str


class BatchBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /batches`.

    Without `rows` the batch waits for them.  One of the same file, graph and version is given again,
    unless it is to be done `again`.
    """

    graph: str
    rows: list[Any] | None = None
    concurrency: int | None = None
    budget_usd: float | None = None
    file: File | None = None
    again: bool = False


class RowBody(msgspec.Struct, forbid_unknown_fields=True):
    """A row that is sent in parts: its input, the line it begins in, and what is wrong with it."""

    input: Any = None
    line: int | None = None
    problem: str = ""


class RowsBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /batches/{id}/rows`: rows, the first of them with the number `first`."""

    first: int
    rows: list[RowBody]


class ResumeBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /batches/{id}/resume`; what is not said stays."""

    concurrency: int | None = None
    budget_usd: float | None = None
    failed: bool = False


class Page(msgspec.Struct):
    """The query of `GET /batches`."""

    limit: int = 20
    offset: int = 0


class ResultsQuery(msgspec.Struct):
    """The query of `GET /batches/{id}/results`."""

    after: int = 0
    limit: int | None = None
    follow: bool = False


async def create(call: Call[BatchBody]) -> web.Response:
    """Make a batch; with rows it begins at once."""
    body, batches, key = call.given, call.engine.batches, call.idempotency_key
    if body.rows is not None and not body.rows:
        raise InvalidInput("There are no rows; send at least one, or leave `rows` out and send them later.")
    batch = await batches.create(
        NewBatch(
            *(call.tenant, body.graph, body.concurrency, body.budget_usd),
            file=body.file.name if body.file else "",
            sha256=body.file.sha256 if body.file else "",
            again=body.again,
            idempotency_key=key,
            fingerprint=_fingerprint(body) if key else "",
            key=call.key,
        )
    )
    if body.rows and batch.status is BatchStatus.LOADING:
        # A request that was cut off is sent again with its key: what had arrived is there.
        left = [NewRow(row) for row in body.rows[batch.rows :]]
        try:
            await batches.add(call.tenant, batch.id, batch.rows + 1, left)
            batch = await batches.resume(call.tenant, batch.id)
        except Conflict:
            # The same request, sent twice at once: the other one has begun with it.
            batch = await batches.get(call.tenant, batch.id)
    return reply(_object(call, batch), status=201)


async def add(call: Call[RowsBody]) -> web.Response:
    """Add rows to a batch that waits for them; those that are there already stay."""
    rows = [NewRow(row.input, row.line, row.problem) for row in call.given.rows]
    return reply(_object(call, await call.engine.batches.add(call.tenant, _id(call), call.given.first, rows)))


async def resume(call: Call[ResumeBody]) -> web.Response:
    """Begin with a batch whose rows are all there, or go on with one."""
    body = call.given
    batch = await call.engine.batches.resume(
        call.tenant,
        _id(call),
        budget_usd=body.budget_usd,
        concurrency=body.concurrency,
        failed=body.failed,
    )
    return reply(_object(call, batch))


async def pause(call: Call[Nothing]) -> web.Response:
    """Let no further row begin; those under way go on."""
    return reply(_object(call, await call.engine.batches.pause(call.tenant, _id(call))))


async def cancel(call: Call[Nothing]) -> web.Response:
    """Stop a batch for good, with the rows that are under way."""
    return reply(_object(call, await call.engine.batches.cancel(call.tenant, _id(call))))


async def delete(call: Call[Nothing]) -> web.Response:
    """Delete a batch with its results."""
    await call.engine.batches.delete(call.tenant, _id(call))
    return web.Response(status=204)


async def get(call: Call[Nothing]) -> web.Response:
    """Return a batch: where it is, and what it counts."""
    return reply(_object(call, await call.engine.batches.get(call.tenant, _id(call))))


async def listed(call: Call[Page]) -> web.Response:
    """List the batches, the newest first."""
    given = call.given
    if not 1 <= given.limit <= MOST or given.offset < 0:
        raise InvalidInput(f"`limit` is 1 to {MOST} and `offset` not negative; ask for another page.")
    found = await call.engine.batches.list(call.tenant, given.limit, given.offset)
    return reply([_object(call, batch) for batch in found])


async def results(call: Call[ResultsQuery]) -> web.StreamResponse:
    """Send the rows that have ended as JSON Lines, in order; with `follow`, as they end."""
    given, batches = call.given, call.engine.batches
    if given.after < 0 or (given.limit is not None and given.limit < 1):
        raise InvalidInput("`after` is a row's number and `limit` 1 or more; mend the query.")
    await batches.get(call.tenant, _id(call))
    read = batches.follow if given.follow else batches.results
    response = web.StreamResponse(headers={"Content-Type": _LINES})
    try:
        await response.prepare(call.request)
        async with aclosing(_lines(read(call.tenant, _id(call), given.after), given.limit)) as pages:
            async for page in pages:
                await response.write(page)
        await response.write_eof()
    except ConnectionError:
        pass  # the client has left; the batch goes on
    return response


async def _lines(pages: AsyncGenerator[Sequence[RowResult]], limit: int | None) -> AsyncGenerator[bytes]:
    """Yield pages as JSON Lines, `limit` rows at most; a page without rows is an empty line."""
    left = limit
    async with aclosing(pages):
        async for page in pages:
            rows = page if left is None else page[:left]
            yield b"".join(map(line, rows)) or b"\n"
            if left is not None and (left := left - len(rows)) == 0:
                return


def line(row: RowResult) -> bytes:
    """Return what became of a row as one line of JSON."""
    result = orjson.Fragment(row.result)
    about: JsonObject = {"row": row.number, "input": orjson.Fragment(row.input)}
    match row.status:
        case RowStatus.DONE:
            about["output"] = result
        case RowStatus.FAILED:
            about["error"] = result
        case _:
            about["waiting"] = result
            about["thread"] = row.thread
    about["cost_usd"] = row.cost_usd
    return orjson.dumps(about) + b"\n"


def _object(call: Call[Any], batch: Batch) -> JsonObject:
    """Return a batch as clients read it."""
    return {
        "id": batch.id,
        "graph": batch.graph,
        "version": batch.version,
        "status": batch.status.value,
        "reason": batch.reason or None,
        "created_at": moment(batch.created_at),
        "updated_at": moment(batch.updated_at),
        "concurrency": batch.concurrency,
        "budget_usd": batch.budget_usd,
        "file": {"name": batch.file, "sha256": batch.sha256} if batch.sha256 else None,
        "rows": batch.rows,
        "done": batch.done,
        "failed": batch.failed,
        "waiting": batch.waiting,
        "pending": batch.pending,
        "under_way": call.engine.batches.under_way(batch.id),
        "cost_usd": batch.cost_usd,
        "unpriced_calls": batch.unpriced,
    }


def _fingerprint(body: BatchBody) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def _id(call: Call[Any]) -> str:
    return call.path("batch_id")


_BATCH = "/batches/{batch_id}"

ENDPOINTS = (
    Endpoint("POST", "/batches", "batches.create", create, BatchBody),
    Endpoint("GET", "/batches", "batches.list", listed, Page, where="query"),
    Endpoint("GET", _BATCH, "batches.get", get),
    Endpoint("DELETE", _BATCH, "batches.delete", delete),
    Endpoint("POST", f"{_BATCH}/rows", "batches.add", add, RowsBody),
    Endpoint("GET", f"{_BATCH}/results", "batches.results", results, ResultsQuery, where="query", long=True),
    Endpoint("POST", f"{_BATCH}/resume", "batches.resume", resume, ResumeBody),
    Endpoint("POST", f"{_BATCH}/pause", "batches.pause", pause),
    Endpoint("POST", f"{_BATCH}/cancel", "batches.cancel", cancel),
)
