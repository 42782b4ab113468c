"""The WebSockets of the protocol: `/threads/{id}/stream/events` for one thread, `/ws` for many."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Coroutine, Sequence
from typing import Any, Literal

import msgspec
from aiohttp import WSMsgType, web

from hub.auth import Principal, authenticate
from hub.commands import carry_out, unforeseen
from hub.connections import CONNECTIONS, SEND_BUFFER
from hub.delivery import Delivery
from hub.delivery_spans import DeliverySpans
from hub.endpoint import Call, Nothing
from hub.frames import Frame, messages
from hub.handshake import BadToken, check_socket, subprotocol, who
from hub.parts import ATTEMPTS, ENGINE
from hub.protocol import ANYWHERE, Close, Command, Refused, known_method, params_as
from hub.session import Session
from hub.stall import Stall, held_for
from runtime.errors import HubbubError, NotFound, Overloaded, Unauthenticated
from runtime.runs.threads import new_thread
from runtime.telemetry import Span, bind, get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

_AT_ONCE = 64
"""Commands of one socket that are carried out at the same time."""

_AT_ONCE_BYTES = 1024 * 1024
"""Bytes of commands that are carried out, above which no further ones are read."""

_SUBSCRIBING = frozenset({"subscription.subscribe", "subscription.reconnect"})

_WORK = (ANYWHERE - {"ping"}) | _SUBSCRIBING
"""Commands that take time."""

_READS = frozenset({"state.get", "state.listCheckpoints", "agent.getTree"})
"""Commands with large replies: one at a time, and none before the last ones are on their way."""


class Auth(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `auth` and `auth.refresh`."""

    token: str


async def one_thread(request: web.Request) -> web.StreamResponse:
    """Serve a socket for one thread."""
    thread = request.match_info["thread_id"]
    new_thread("", thread, {})
    return await _serve(request, thread)


async def many_threads(request: web.Request) -> web.StreamResponse:
    """Serve a socket for many threads."""
    return await _serve(request, "")


async def _serve(request: web.Request, thread: str) -> web.StreamResponse:
    check_socket(request)
    engine = request.app[ENGINE]
    chosen = subprotocol(request, required=not thread)
    principal: Principal | None = None
    refused: BadToken | None = None
    span = engine.telemetry.request_span(
        "connect", thread=thread or None, traceparent=request.headers.get("traceparent")
    )
    with span:
        with engine.telemetry.admit_span():
            try:
                principal = who(request, later=not thread)
            except BadToken as error:
                refused = error
        if principal:
            span.set(tenant=principal.tenant)
        response = web.WebSocketResponse[Literal[False]](
            protocols=(chosen,) if chosen else (),
            compress=False,
            autoping=False,
            max_msg_size=engine.settings.hub.limits.message,
            writer_limit=1,  # every write waits until the client has room
            timeout=request.app[CONNECTIONS].patience.closing,
            decode_text=False,
        )
        await response.prepare(request)
    if refused:
        await response.close(code=Close.BAD_TOKEN, message=b"bad token")
        return response
    await Socket(request, response, thread, principal, span).serve()
    return response


class Socket:
    """One open socket: a reader, and a writer while there is something to write."""

    __slots__ = (
        *("_beat_timer", "_bytes", "_by_thread", "_closing", "_delivery", "_engine", "_heard", "_link"),
        *("_loop", "_patience", "_pinged", "_principal", "_reading", "_request", "_response", "_session"),
        *("_stall", "_tasks", "_timer", "__weakref__"),
    )

    def __init__(
        self,
        request: web.Request,
        response: web.WebSocketResponse[Literal[False]],
        thread: str,
        principal: Principal | None,
        span: Span,
    ) -> None:
        self._request, self._response, self._principal = request, response, principal
        self._engine, self._loop = request.app[ENGINE], asyncio.get_running_loop()
        self._patience = request.app[CONNECTIONS].patience
        self._link = span.traceparent
        telemetry = self._engine.telemetry
        self._session = Session(
            request.app[CONNECTIONS].bounds,
            thread=thread,
            known=principal is not None,
            now=self._loop.time(),
            counted=telemetry.metrics.command,
        )
        self._delivery = Delivery(
            *(self._engine, self._session, self._write, self._broken),
            tenant=principal.tenant if principal else "",
            spans=DeliverySpans(self._engine, self._link) if telemetry.tracing else None,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._by_thread: dict[str, asyncio.Task[None]] = {}
        self._reading = asyncio.Lock()
        self._stall = Stall(
            *(self._patience.stuck, lambda: held_for(request.transport), self._stuck, self._loop)
        )
        self._closing: asyncio.Task[None] | None = None
        self._heard, self._pinged = True, False
        self._beat_timer = self._loop.call_later(self._patience.heartbeat, self._beat)
        self._timer: asyncio.TimerHandle | None = None
        if principal is None:
            self._timer = self._loop.call_later(
                self._patience.auth, self._shut, Close.NOT_IN_TIME, "no auth in time"
            )

    async def serve(self) -> None:
        """Read until the socket is closed, by whoever."""
        everyone, metrics = self._request.app[CONNECTIONS], self._engine.telemetry.metrics
        metrics.socket_opened()
        if transport := self._request.transport:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER)
        try:
            everyone.add(self, self._delivery.tenant)
            await self._listen()
        except Overloaded as error:
            self._session.break_off(error)
            self._delivery.flush()
            self._shut(Close.LIMIT, "too many connections")
        finally:
            try:
                if self._closing:  # which still has something to say
                    await asyncio.wait([self._closing])
            finally:
                everyone.discard(self)
                metrics.socket_closed()
                self._end_all()

    def _end_all(self) -> None:
        self._beat_timer.cancel()
        if self._timer:
            self._timer.cancel()
        self._delivery.close()
        for task in self._tasks:
            task.cancel()

    # ----------------------------------------------------------------- in

    async def _listen(self) -> None:
        while True:
            message = await self._response.receive()
            self._heard = True
            match message.type:
                case WSMsgType.TEXT:
                    self._read(message.data)
                case WSMsgType.BINARY:
                    self._session.read_binary(self._loop.time())
                case WSMsgType.PING:
                    await self._response.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case _:
                    return
            if self._session.flooded:
                self._shut(Close.LIMIT, "too many commands")
                return
            self._delivery.flush()
            # Receiving may not suspend, and a client that never reads its replies gets to send no more.
            await asyncio.sleep(0)
            await self._delivery.room()
            while len(self._tasks) >= _AT_ONCE or self._bytes > _AT_ONCE_BYTES:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _read(self, raw: bytes) -> None:
        command = self._session.read(raw, self._loop.time())
        if command is None:
            return
        if command.method in _WORK:
            # Commands for one thread are carried out in their order; to stop a run is never put off.
            thread = command.thread or self._session.thread
            ordered = command.method != "run.cancel"
            if command.method in _SUBSCRIBING:
                self._delivery.expect(thread)
            before = self._by_thread.get(thread) if ordered else None
            task = self._start(self._work(command, before), len(raw))
            if ordered:
                self._by_thread[thread] = task
                task.add_done_callback(lambda done: self._settle(thread, done))
            return
        with self._span(command) as span:
            with self._engine.telemetry.admit_span():
                admitted = self._session.admit(command)
            if admitted is not None:
                try:
                    self._auth(admitted)
                except HubbubError as error:
                    span.record(error)
                    self._session.fail(admitted, error, span.trace_id)

    async def _work(self, command: Command, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            await self._admit_and_carry_out(command)
        finally:
            if command.method in _SUBSCRIBING:
                self._delivery.arrived(command.thread or self._session.thread)
        self._delivery.flush()

    async def _admit_and_carry_out(self, command: Command) -> None:
        with self._span(command) as span:
            with self._engine.telemetry.admit_span():
                admitted = self._session.admit(command)
            if admitted is not None:
                try:
                    await self._carry_out(admitted, span)
                except HubbubError as error:
                    span.record(error)
                    self._session.fail(admitted, error, span.trace_id)
                except Exception as error:
                    span.record(error)
                    self._session.fail(admitted, unforeseen(error, admitted, self._request), span.trace_id)

    async def _carry_out(self, command: Command, span: Span) -> None:
        assert self._principal
        call: Call[Any] = Call(self._request, self._engine, self._principal, Nothing(), span)
        with bind(tenant=self._principal.tenant):
            if command.method in _READS:
                async with self._reading:
                    await self._delivery.room()
                    self._session.succeed(command, await carry_out(call, command))
                return
            if command.method == "subscription.reconnect":
                await self._delivery.reconnect(command)
                return
            if command.method != "subscription.subscribe":
                self._session.succeed(command, await carry_out(call, command))
                return
            try:
                await self._delivery.subscribe(command)
            except NotFound as error:
                if not self._session.thread:
                    raise
                # Official clients wait for ever unless the socket says in their way that it was in vain.
                self._session.fail(command, error, span.trace_id)
                self._shut(Close.UNKNOWN_THREAD, "unknown thread")

    def _auth(self, command: Command) -> None:
        found = authenticate(self._request.app, params_as(command.params, Auth).token)
        if found is None:
            self._shut(Close.BAD_TOKEN, "bad token")
            self._request.app[ATTEMPTS].failed(self._request.remote or "")
            raise Unauthenticated(
                "This token is not known or was revoked; make one with `hubbub key new NAME`."
            )
        if self._principal and self._principal.tenant != found.tenant:
            raise Refused("permission_denied", "This socket belongs to another tenant; open a new one.")
        if self._principal is None:
            try:
                self._request.app[CONNECTIONS].add(self, found.tenant)
            except Overloaded:
                self._shut(Close.LIMIT, "too many connections")
                raise
        self._principal, self._delivery.tenant, self._session.known = found, found.tenant, True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        # Keys end only by being revoked, so there is no time at which this has to be said again.
        self._session.succeed(command, {"tenant": found.tenant, "expires_at": None})

    def _span(self, command: Command) -> Span:
        return self._engine.telemetry.request_span(
            known_method(command.method),
            thread=command.thread or self._session.thread or None,
            tenant=self._principal.tenant if self._principal else None,
            traceparent=command.traceparent,
            link=self._link,
        )

    def _start(self, work: Coroutine[Any, Any, None], size: int = 0) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="command")
        self._tasks.add(task)
        self._bytes += size
        task.add_done_callback(lambda done: self._end(done, size))
        return task

    def _end(self, done: asyncio.Task[None], size: int) -> None:
        self._tasks.discard(done)
        self._bytes -= size

    def _settle(self, thread: str, done: asyncio.Task[None]) -> None:
        if self._by_thread.get(thread) is done:
            del self._by_thread[thread]

    # ----------------------------------------------------------------- out

    async def _write(self, frames: Sequence[Frame]) -> None:
        """Write frames; ends the connection when the client takes nothing for too long."""
        with self._stall as stall:
            for message in messages(frames, coalesce=self._session.coalesce):
                transport = self._request.transport
                if transport is None or transport.is_closing():
                    raise ConnectionResetError
                await self._response.send_frame(message, WSMsgType.TEXT)
                stall.moved()

    def _stuck(self) -> None:
        self._shut(Close.SLOW, "too slow")

    def _broken(self, failure: HubbubError | None) -> None:
        if failure:
            self._session.break_off(failure)
            self._delivery.flush()
        self._shut(Close.INTERNAL, "internal error")

    # ----------------------------------------------------------------- heartbeat and end

    def _beat(self) -> None:
        if self._pinged and not self._heard:
            self._shut(Close.NO_PONG, "no pong")
            return
        self._heard, self._pinged = False, True
        self._start(self._ping())
        self._beat_timer = self._loop.call_later(self._patience.heartbeat, self._beat)

    async def _ping(self) -> None:
        try:
            await self._response.ping()
        except ConnectionError:
            self._shut(Close.INTERNAL, "gone")

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell the client to move."""
        self._session.drain(reconnect_after_ms)
        self._delivery.flush()

    def tell(self, channel: str, data: JsonObject) -> None:
        """Tell the client what concerns no thread, if it has asked for that."""
        self._session.tell(channel, data)
        self._delivery.flush()

    async def aclose(self) -> None:
        """Close because the hub stops."""
        self._shut(Close.SHUTDOWN, "shutdown")
        if self._closing:
            await asyncio.wait([self._closing])

    def _shut(self, code: Close, reason: str) -> None:
        """Begin to close; the first reason counts."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code, reason), name="close socket")

    async def _close(self, code: Close, reason: str) -> None:
        try:
            async with asyncio.timeout(self._patience.closing):
                if code is not Close.SLOW:
                    await self._delivery.written()
                self._delivery.close()
                await self._response.close(code=code, message=reason.encode(), drain=False)
        except TimeoutError:
            pass
        finally:
            self._delivery.close()
            if (transport := self._request.transport) and transport.get_write_buffer_size():
                transport.abort()  # what a client does not take must not be kept for it


ROUTES = (
    web.get("/threads/{thread_id}/stream/events", one_thread),
    web.get("/ws", many_threads),
)
