"""`POST /threads/{id}/stream/events`: one subscription of the protocol as server-sent events."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Iterator, Sequence
from dataclasses import replace

from aiohttp import web

from hub.auth import Principal, principal_of
from hub.body import decode_object
from hub.connections import CONNECTIONS, SEND_BUFFER
from hub.delivery import Delivery
from hub.delivery_spans import DeliverySpans
from hub.endpoint import read_body
from hub.frames import Frame
from hub.parts import ENGINE, SPAN
from hub.protocol import Command, seq_of
from hub.routes.run_stream import HEADERS
from hub.routes.run_view import HEARTBEAT
from hub.session import Session
from hub.stall import Stall, held_for
from runtime.errors import HubbubError, Overloaded
from runtime.telemetry import bind
from runtime.types import JsonObject

_TOGETHER = 64 * 1024
"""Bytes that are written at once."""


async def stream(request: web.Request) -> web.StreamResponse:
    """Send the events that the body asks for, until the client leaves."""
    engine, thread = request.app[ENGINE], request.match_info["thread_id"]
    span = engine.telemetry.request_span(
        "subscription.subscribe", thread=thread, traceparent=request.headers.get("traceparent")
    )
    request[SPAN] = span
    with span:
        with engine.telemetry.admit_span():
            principal = principal_of(request)
        if engine.draining:
            raise Overloaded("The hub is stopping; connect again in a moment.", retry_after=2.0)
        span.set(tenant=principal.tenant)
        params = decode_object(await read_body(request))
        if "since" not in params and (last := request.headers.get("Last-Event-ID")):
            params["since"] = seq_of(last, thread)
        events = EventStream(request, principal, span.traceparent)
        request.app[CONNECTIONS].add(events, principal.tenant)
        try:
            with bind(tenant=principal.tenant):
                await events.subscribe(params)
        except BaseException:
            request.app[CONNECTIONS].discard(events)
            raise
    return await events.serve()


class EventStream:
    """One open stream."""

    def __init__(self, request: web.Request, principal: Principal, link: str | None) -> None:
        engine, everyone = request.app[ENGINE], request.app[CONNECTIONS]
        self._request, self._engine, self._everyone = request, engine, everyone
        # Nobody else subscribes here, so a replay waits for nobody.
        bounds = replace(everyone.bounds, idle=0.0, gather=0.0)
        self._session = Session(bounds, thread=request.match_info["thread_id"])
        self._response = web.StreamResponse(headers=HEADERS)
        loop = asyncio.get_running_loop()
        self._prepared: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._stall = Stall(everyone.patience.stuck, lambda: held_for(request.transport), self._cut, loop)
        self._delivery = Delivery(
            *(engine, self._session, self._write, self._broken),
            tenant=principal.tenant,
            spans=DeliverySpans(engine, link) if engine.telemetry.tracing else None,
        )

    async def subscribe(self, params: JsonObject) -> None:
        """Begin; NotFound, InvalidInput, StorageError."""
        command = Command(None, "subscription.subscribe", params, self._session.thread)
        await self._delivery.subscribe(command)

    async def serve(self) -> web.StreamResponse:
        """Write until the client leaves or the hub stops."""
        metrics = self._engine.telemetry.metrics
        metrics.socket_opened()
        if transport := self._request.transport:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER)
        try:
            await self._response.prepare(self._request)
            self._prepared.set_result(None)
            while not (await asyncio.wait([self._ended], timeout=HEARTBEAT))[0]:
                await self._response.write(b": heartbeat\n\n")
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._everyone.discard(self)
            metrics.socket_closed()
            self._delivery.close()
        self._cut()
        return self._response

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell the client to move."""
        self._session.drain(reconnect_after_ms)
        self._delivery.flush()

    def tell(self, channel: str, data: JsonObject) -> None:
        """Tell the client what concerns no thread, if it has asked for that."""
        self._session.tell(channel, data)
        self._delivery.flush()

    async def aclose(self) -> None:
        """Send what is ready, then end."""
        try:
            async with asyncio.timeout(self._everyone.patience.closing):
                await self._delivery.written()
        except TimeoutError:
            pass
        self._end()

    async def _write(self, frames: Sequence[Frame]) -> None:
        await self._prepared
        with self._stall as stall:
            for data in _pieces(frames):
                await self._response.write(data)
                stall.moved()

    def _broken(self, failure: HubbubError | None) -> None:
        if failure:
            self._session.break_off(failure)
            self._delivery.flush()
        asyncio.get_running_loop().call_soon(self._end)

    def _cut(self) -> None:
        """End the stream without a proper end: so the client knows that there is more, and comes back."""
        self._end()
        if self._request.transport:
            self._request.transport.abort()

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _pieces(frames: Sequence[Frame]) -> Iterator[bytes]:
    """Yield frames as server-sent events, small ones together."""
    together: list[bytes] = []
    size = 0
    for part in map(_part, frames):
        if together and size + len(part) > _TOGETHER:
            yield b"".join(together)
            together, size = [], 0
        together.append(part)
        size += len(part)
    if together:
        yield b"".join(together)


def _part(frame: Frame) -> bytes:
    """Return a frame as one server-sent event."""
    if frame.event is None:
        return b"data: %b\n\n" % frame.data
    event = frame.event
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.method.encode(), frame.data)


ROUTES = (web.post("/threads/{thread_id}/stream/events", stream),)
