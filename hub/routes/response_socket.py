"""The WebSocket of OpenAI's Responses: one response after the other on each lane, gone on from by id."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, Literal

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from hub.auth import Principal
from hub.connections import CONNECTIONS
from hub.dialects import failures
from hub.endpoint import Anything, Call
from hub.failures import broken_stream, status_of
from hub.handshake import check_socket, subprotocol, who
from hub.parts import ENGINE
from hub.responses.answering import Asked, pieces, read
from hub.routes.run_stream import STUCK
from runtime.errors import HubbubError, InvalidInput
from runtime.journal.responses import StoredResponse
from runtime.telemetry import bind
from runtime.types import JsonObject
from runtime.vendors import Events

_LANES = 32
_QUEUED = 64
"""Requests of one socket that are carried out or wait, after which no further ones are read."""
_KNOWN = 64
"""Responses that a socket goes on from though they are stored nowhere."""
_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")


async def connect(request: web.Request) -> web.StreamResponse:
    """Serve a socket."""
    check_socket(request)
    principal = who(request, later=False)
    assert principal
    chosen, everyone = subprotocol(request, required=False), request.app[CONNECTIONS]
    response = web.WebSocketResponse[Literal[True]](
        protocols=(chosen,) if chosen else (),
        compress=False,
        heartbeat=everyone.patience.heartbeat,
        max_msg_size=request.app[ENGINE].settings.hub.limits.message,
        timeout=everyone.patience.closing,
    )
    connection = ResponseSocket(request, response, principal)
    everyone.add(connection, principal.tenant)
    try:
        await response.prepare(request)
        await connection.serve()
    finally:
        everyone.discard(connection)
    return response


class ResponseSocket:
    """One open socket.  A lane answers in the order in which it was asked, and waits for no other lane."""

    def __init__(
        self, request: web.Request, response: web.WebSocketResponse[Literal[True]], principal: Principal
    ) -> None:
        self._request, self._response, self._principal = request, response, principal
        self._engine = request.app[ENGINE]
        self._known: OrderedDict[str, StoredResponse] = OrderedDict()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def serve(self) -> None:
        """Read until the socket is closed; what is being answered then is closed too."""
        metrics = self._engine.telemetry.metrics
        metrics.socket_opened()
        try:
            async for message in self._response:
                if message.type is WSMsgType.TEXT:
                    await self._take(message.data)
                while len(self._tasks) >= _QUEUED:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            metrics.socket_closed()
            for task in (left := list(self._tasks)):
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def drain(self, reconnect_after_ms: int) -> None:
        """Say nothing: what was asked is still answered, for as long as the hub can wait."""

    def tell(self, channel: str, data: JsonObject) -> None:
        """Say nothing: this language has no words for it."""

    async def aclose(self) -> None:
        """Give what was asked a moment to be answered, then close."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._request.app[CONNECTIONS].patience.closing)
        await self._response.close(code=WSCloseCode.GOING_AWAY)

    # ----------------------------------------------------------------- one request

    async def _take(self, text: str) -> None:
        lane = ""
        try:
            event = _event(text)
            lane = self._lane(event)
            _check(event)
        except InvalidInput as error:
            await self._fail(error, lane)
            return
        before = self._lanes.get(lane)
        self._lanes[lane] = self._start(self._answer(event, lane, before), "response")

    def _lane(self, event: JsonObject) -> str:
        lane = event.get("stream_id")
        if lane is None:
            return ""
        if not isinstance(lane, str) or not _LANE.fullmatch(lane):
            raise InvalidInput("A stream_id is 1 to 256 letters, digits, _, - and dots; choose another.")
        if lane not in self._lanes and len(self._lanes) > _LANES:
            raise InvalidInput(f"A socket has {_LANES} lanes; use one of them, or another socket.")
        return lane

    async def _answer(self, event: JsonObject, lane: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        request, tenant = self._request, self._principal.tenant
        span = self._engine.telemetry.request_span("responses", tenant=tenant)
        body = {**event, "stream": True}
        call = Call(request, self._engine, self._principal, Anything(body), span)
        begun = False
        try:
            with span, bind(tenant=tenant):
                asked = await read(call, self._known)
                if event.get("generate") is False:
                    await self._warm_up(call, asked, lane)
                    return
                reader = Events()
                async with aclosing(pieces(call, asked, self._remember)) as chunks:
                    async for chunk in chunks:
                        for data in reader.feed(chunk.data):
                            begun = True
                            await self._send(data, lane)
        except (ConnectionError, TimeoutError):
            if request.transport:
                request.transport.abort()
        except Exception as error:
            await self._fail(error, lane, begun=begun)

    async def _warm_up(self, call: Call[Anything], asked: Asked, lane: str) -> None:
        """Answer with nothing, so that the next request can go on from what this one holds."""
        done = {**asked.begun, "status": "completed"}
        stored = replace(asked.stored, answer=done)
        if asked.keep:
            await self._engine.responses.put(stored)
        self._remember(stored)
        for number, (type, response) in enumerate(
            (("response.created", asked.begun), ("response.completed", done))
        ):
            told = {"type": type, "sequence_number": number, "response": response}
            await self._send(orjson.dumps(told), lane)

    def _remember(self, stored: StoredResponse) -> None:
        self._known[stored.id] = stored
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    # ----------------------------------------------------------------- out

    async def _send(self, data: bytes, lane: str) -> None:
        if lane:
            data = orjson.dumps({**orjson.loads(data), "stream_id": lane})
        async with asyncio.timeout(STUCK):
            await self._response.send_str(data.decode())

    async def _fail(self, error: Exception, lane: str, *, begun: bool = False) -> None:
        told = broken_stream(error, self._request)["error"]
        event: JsonObject = {"type": "error", "error": told}
        if not begun:
            found = failures.told(error, status_of(error) if isinstance(error, HubbubError) else 500)
            event = {**event, "status": found.status, "error": {**told, "code": found.code}}
        with suppress(ConnectionError, TimeoutError):  # where nobody is there to read it
            await self._send(orjson.dumps(event), lane)

    def _start(self, work: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _event(text: str) -> JsonObject:
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidInput("What came is not JSON; send events as JSON objects.") from None
    if not isinstance(event, dict):
        raise InvalidInput("What came is no JSON object; send events as JSON objects.")
    return event


def _check(event: JsonObject) -> None:
    if event.get("type") != "response.create":
        raise InvalidInput(f"There is no {str(event.get('type'))[:60]} here; send response.create.")
    if event.get("background") is True:
        raise InvalidInput("A socket answers at once; leave background out, or use POST.")


ROUTES = (web.get("/v1/responses", connect),)
