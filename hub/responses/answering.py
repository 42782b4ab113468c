"""Who answers a response, a model or a graph, and what is stored of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson

from hub.dialects.responses import About, Responses, response_object
from hub.endpoint import Anything, Call
from hub.responses import of_run
from hub.responses.asked import Known, in_full
from hub.responses.live import LIVE, STOPPED, Live
from hub.routes.door import answer_of_alias, is_graph, read_request
from hub.routes.graph_model import start
from runtime.errors import Conflict
from runtime.journal.responses import StoredResponse
from runtime.types import JsonObject, RawChunk, RawRequest
from runtime.vendors import Events

FINAL = ("response.completed", "response.incomplete")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with all the turns before it, and what is stored of it."""

    request: RawRequest
    stored: StoredResponse
    dialect: Responses
    keep: bool

    @property
    def begun(self) -> JsonObject:
        """The response before anything of it is there."""
        stored = self.stored
        return response_object(stored.request, self.request.model, of_run.about_of(stored))


async def read(call: Call[Anything], known: Known) -> Asked:
    """Return what is asked; InvalidInput, NoPreviousResponse."""
    body, about = call.given.value, About()
    request = read_request(call, Responses())
    full = await in_full(call.engine, call.tenant, body, known)
    stored = StoredResponse(call.tenant, about.id, about.created_at, body)
    keep = body.get("store") is not False
    return Asked(replace(request, body=full), stored, Responses(of_run.about_of(stored)), keep)


async def in_background(call: Call[Anything], asked: Asked) -> StoredResponse | Live:
    """Begin an answer that nobody has to wait for: a run, or one that is asked of a model."""
    if is_graph(call, asked.request.model):
        return await _run(call, asked)
    request = replace(asked.request, stream=True, body={**asked.request.body, "stream": True})
    pieces = answer_of_alias(call, request, asked.dialect)
    return await call.request.app[LIVE].begin(asked.stored, asked.begun, pieces, call.request)


async def pieces(
    call: Call[Anything], asked: Asked, remember: Callable[[StoredResponse], None] = lambda _: None
) -> AsyncGenerator[RawChunk, None]:
    """Yield an answer, which is stored before its last piece is given away; `remember` is told of it."""
    if not is_graph(call, asked.request.model):
        answered = _kept(call, asked, answer_of_alias(call, asked.request, asked.dialect), remember)
    elif asked.request.stream:
        answered = _graph(call, asked, remember)
    else:
        answered = _at_once(_graph(call, asked, remember))
    async with aclosing(answered) as chunks:
        async for chunk in chunks:
            yield chunk


async def _graph(
    call: Call[Anything], asked: Asked, remember: Callable[[StoredResponse], None]
) -> AsyncGenerator[RawChunk, None]:
    stored = await _run(call, asked)
    remember(stored)
    async with aclosing(of_run.chunks(call.engine, stored, ours=True)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _run(call: Call[Anything], asked: Asked) -> StoredResponse:
    """Begin the run; the same idempotency key is the same response."""
    run = await start(call, asked.request, asked.dialect)
    stored = replace(asked.stored, id=of_run.id_of(run), created_at=run.created_at, run=run.id)
    if asked.keep:
        await call.engine.responses.put(stored)
    return stored


async def _kept(
    call: Call[Anything],
    asked: Asked,
    pieces: AsyncGenerator[RawChunk, None],
    remember: Callable[[StoredResponse], None],
) -> AsyncGenerator[RawChunk, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.finish:
                answer = answer_in(piece.data, stream=asked.request.stream)
                stored = replace(asked.stored, id=answer["id"], answer=answer)
                if asked.keep:
                    await call.engine.responses.put(stored)
                remember(stored)
            yield piece


async def _at_once(pieces: AsyncGenerator[RawChunk, None]) -> AsyncGenerator[RawChunk, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.finish:
                yield replace(piece, data=orjson.dumps(answer_in(piece.data, stream=True)))


def answer_in(data: bytes, *, stream: bool) -> Any:
    """Return the whole response that the last piece of an answer holds."""
    if not stream:
        return orjson.loads(data)
    for each in reversed(Events().feed(data)):
        event = orjson.loads(each)
        if event.get("type") in FINAL:
            return event["response"]
    raise Conflict("The answer ended without a response; ask again.")


async def now(call: Call[Any], stored: StoredResponse) -> JsonObject:
    """Return a stored response as it is now."""
    if stored.run:
        return await of_run.whole(call.engine, stored)
    if stored.answer is not None:
        return stored.answer
    begun = response_object(stored.request, stored.request["model"], of_run.about_of(stored))
    return {**begun, "status": "failed", "error": STOPPED}
