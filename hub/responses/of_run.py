"""The response of a graph: told from its thread's log, however often and from wherever it is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from hub.dialects import failures
from hub.dialects.responses import About, ResponseStreamWriter, response_object
from hub.failures import status_of
from hub.routes.graph_model import failure_of, said_by
from hub.routes.run_view import RunView
from runtime.errors import NoSuchResponse, NoSuchRun
from runtime.records import Run, RunStatus
from runtime.types import JsonObject, RawChunk

if TYPE_CHECKING:
    from hub.routes.graph_model import Word
    from runtime.engine import Engine
    from runtime.journal.responses import StoredResponse

_PARTS = 16
"""Numbers of events for each seq of the thread; one piece of an answer is never as many events."""


def id_of(run: Run) -> str:
    """Return the id of a run's response."""
    return f"resp_{run.id.replace('-', '')}"


async def chunks(
    engine: Engine, stored: StoredResponse, after: int = -1, *, ours: bool = False
) -> AsyncGenerator[RawChunk, None]:
    """Yield the events of a run's response that have a number above `after`.

    Numbers come from the seqs of the thread, so that they are the same live and from the log, also after
    a restart.  Of a text whose pieces are gone, who has seen its beginning gets the end, which has all of
    it.  `ours` says that the client has just asked for it, so nothing of it was seen.
    """
    view = await RunView.of(engine, stored.tenant, await run_of(engine, stored))
    writer = ResponseStreamWriter(stored.request, view.run.graph, about_of(stored), after)
    seen = None if ours or after < 0 else view.start + after // _PARTS
    settled = seen is None and view.run.status.final
    async with aclosing(said_by(view, seen, settled=settled)) as words:
        async for word in words:
            yield _chunk(writer, word, view.start)


async def whole(engine: Engine, stored: StoredResponse) -> JsonObject:
    """Return the response as it is now: whole when the run has ended, else without its output."""
    run = await run_of(engine, stored)
    begun = response_object(stored.request, run.graph, about_of(stored))
    if run.status is RunStatus.CANCELLED:
        return {**begun, "status": "cancelled"}
    if run.status in (RunStatus.ACCEPTED, RunStatus.RUNNING, RunStatus.INTERRUPTED):
        return begun
    if run.status is not RunStatus.SUCCESS:
        error = failure_of(run)
        code = failures.told(error, status_of(error)).code or "server_error"
        return {**begun, "status": "failed", "error": {"code": code, "message": str(error)}}
    view = await RunView.of(engine, stored.tenant, run)
    writer = ResponseStreamWriter(stored.request, run.graph, about_of(stored))
    async with aclosing(said_by(view, settled=True)) as words:
        async for word in words:
            _chunk(writer, word, view.start)
    return writer.answer


async def run_of(engine: Engine, stored: StoredResponse) -> Run:
    """Return the run; NoSuchResponse when it was deleted."""
    try:
        return await engine.runs.get(stored.tenant, stored.run)
    except NoSuchRun:
        raise NoSuchResponse(
            f"The response {stored.id} went with the thread of its run, which was deleted; ask again."
        ) from None


def about_of(stored: StoredResponse) -> About:
    """Return what a stored response says of itself."""
    asked = stored.request
    return About(
        *(stored.id, stored.created_at, asked.get("previous_response_id")),
        background=asked.get("background") is True,
        store=asked.get("store") is not False,
    )


def _chunk(writer: ResponseStreamWriter, word: Word, start: int) -> RawChunk:
    delta = word.delta
    written = writer.write(delta, (word.seq - start) * _PARTS)
    return RawChunk(written, delta.content, delta.usage, delta.finish)
