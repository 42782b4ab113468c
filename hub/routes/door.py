"""The vendors' doors: an alias or a graph answers a request in the words of OpenAI or Anthropic."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol, cast

from aiohttp import web

from hub.endpoint import Anything, Call
from hub.failures import broken_stream
from hub.routes.graph_model import answer_of_graph
from hub.routes.run_stream import HEADERS
from runtime.errors import InvalidInput, NotFound
from runtime.extensions.context import CallContext
from runtime.gateway.relaying import Dialect, RelayAsk
from runtime.ports import Context
from runtime.telemetry import get_logger
from runtime.types import JsonObject, RawChunk, RawRequest

_PASSED_HEADERS = ("anthropic-beta", "anthropic-version", "openai-beta")

_log = get_logger(__name__)


class DoorDialect(Dialect, Protocol):
    """A dialect with the words for a stream that broke."""

    def failed(self, error: JsonObject) -> bytes:
        """Return the event that ends a stream which broke."""


async def answer(call: Call[Anything], dialect: DoorDialect) -> web.StreamResponse:
    """Answer a request of a client that speaks this dialect."""
    request = read_request(call, dialect)
    return await send(call, dialect, _pieces(call, request, dialect), stream=request.stream)


async def send(
    call: Call[Any], dialect: DoorDialect, pieces: AsyncGenerator[RawChunk, None], *, stream: bool
) -> web.StreamResponse:
    """Send an answer as it comes, or as a whole."""
    async with aclosing(pieces):
        if stream:
            return await _stream(call, dialect, pieces)
        body = b"".join([piece.data async for piece in pieces])
    return web.Response(body=body, content_type="application/json")


def read_request(call: Call[Anything], dialect: Dialect) -> RawRequest:
    """Return the request; InvalidInput when it names no model."""
    body = call.given.value
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidInput("`model` is missing; name an alias of [models] or a graph (GET /v1/models).")
    headers = call.request.headers
    passed = {name: headers[name] for name in _PASSED_HEADERS if name in headers}
    return RawRequest(dialect.name, model, body, body.get("stream") is True, passed)


def caller(call: Call[Any], seconds: float) -> Context:
    """Return on whose behalf a model is asked outside of runs, and for how long."""
    made = CallContext(
        tenant=call.tenant,
        run="",
        thread="",
        idempotency_key=call.idempotency_key or "",
        deadline=time.monotonic() + seconds,
        params=None,
        log=_log,
        services=call.engine.services,
        emitter=lambda delta: None,
        key=call.key,
    )
    return cast(Context, made)


def _pieces(call: Call[Anything], request: RawRequest, dialect: Dialect) -> AsyncGenerator[RawChunk, None]:
    """Yield the answer of the alias, else of the graph; NotFound when there is neither."""
    if is_graph(call, request.model):
        return answer_of_graph(call, request, dialect)
    return answer_of_alias(call, request, dialect)


def is_graph(call: Call[Any], model: str) -> bool:
    """Whether a graph answers, and no alias; NotFound when there is neither."""
    if call.engine.gateway.knows(model):
        return False
    if model in call.engine.graphs.names():
        return True
    raise NotFound(f"There is no model {model[:100]}; GET /v1/models lists aliases and graphs.")


def answer_of_alias(call: Call[Any], request: RawRequest, dialect: Dialect) -> AsyncGenerator[RawChunk, None]:
    """Yield the answer of a model."""
    gateway, limits = call.engine.gateway, call.engine.gateway.limits(request.model)
    return gateway.answer(RelayAsk(request, dialect), request.model, limits, caller(call, limits.timeout))


async def _stream(
    call: Call[Any], dialect: DoorDialect, pieces: AsyncGenerator[RawChunk, None]
) -> web.StreamResponse:
    """Send the pieces as they come; what fails before the first one is an answer with a status."""
    first = await anext(pieces, None)
    response = web.StreamResponse(headers=HEADERS)
    metrics = call.engine.telemetry.metrics
    metrics.socket_opened()
    try:
        await response.prepare(call.request)
        if first is not None:
            await response.write(first.data)
        try:
            async for piece in pieces:
                await response.write(piece.data)
        except ConnectionError:
            raise
        except Exception as error:
            await response.write(dialect.failed(broken_stream(error, call.request)))
        await response.write_eof()
    except ConnectionError:
        pass  # the client has left, and the model's answer is closed
    finally:
        metrics.socket_closed()
    return response
