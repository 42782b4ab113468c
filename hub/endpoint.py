"""One address of the hub, declared as data: who may use it, what it is given, who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, get_origin

import msgspec
import orjson
from aiohttp import web

from hub.auth import Principal, principal_of
from hub.body import checked, decode, decode_object
from hub.origins import is_loopback
from hub.parts import ENGINE, SPAN
from runtime.errors import Forbidden, InvalidInput
from runtime.telemetry import Span, bind

if TYPE_CHECKING:
    from runtime.engine import Engine

BODY_SECONDS = 30.0
"""How long the body of a request may take to arrive."""

_KEY_LENGTH = 255


class Nothing(msgspec.Struct):
    """What an address is given that asks for nothing."""


class Anything(msgspec.Struct):
    """Any JSON object: an address whose shape somebody else checks."""

    value: dict[str, Any]


class Several(msgspec.Struct):
    """A list of JSON objects, whose shapes somebody else checks."""

    values: list[dict[str, Any]]


Given = TypeVar("Given", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Call(Generic[Given]):
    """One authorised request: who asks, and what was given, checked."""

    request: web.Request
    engine: Engine
    principal: Principal
    given: Given
    span: Span

    @property
    def tenant(self) -> str:
        """Whose threads and runs this is about."""
        return self.principal.tenant

    @property
    def key(self) -> str:
        """The id of the API key that it came with, "" without one."""
        return self.principal.key or ""

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return self.request.match_info[name]

    @property
    def idempotency_key(self) -> str | None:
        """The key under which the client may send this request again."""
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not 0 < len(key) <= _KEY_LENGTH:
            raise InvalidInput(f"An Idempotency-Key has 1 to {_KEY_LENGTH} characters; shorten it.")
        return key

    @property
    def traceparent(self) -> str | None:
        """The trace that what is started here belongs to."""
        return self.span.traceparent or self.request.headers.get("traceparent")


Handle = Callable[[Call[Any]], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address.  `name` is what traces call it; `given` the shape of its body or its query.

    `access` is "key" (anyone known), or "owner" (the user who serves the workspace, on this machine).
    A `long` one waits or streams and ends with its client; the others are carried out whole.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    name: str
    handle: Handle
    given: type[msgspec.Struct] = Nothing
    where: Literal["body", "query"] = "body"
    access: Literal["key", "owner"] = "key"
    long: bool = False

    def route(self) -> web.RouteDef:
        """Return it as aiohttp's route."""

        async def handler(request: web.Request) -> web.StreamResponse:
            return await answer(self, request)

        return web.route(self.method, self.path, handler)


async def answer(endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    """Authorise, parse, call; one trace for each request."""
    engine = request.app[ENGINE]
    span = engine.telemetry.request_span(
        endpoint.name,
        thread=request.match_info.get("thread_id"),
        run=request.match_info.get("run_id"),
        traceparent=request.headers.get("traceparent"),
    )
    request[SPAN] = span
    with span:
        with engine.telemetry.admit_span():
            principal = _admit(endpoint, request)
        span.set(tenant=principal.tenant)
        given = await _given(endpoint, request)
        with bind(tenant=principal.tenant):
            handled = endpoint.handle(Call(request, engine, principal, given, span))
            if endpoint.long:
                return await handled
            # A client that leaves must not cut a change in two.
            return await asyncio.shield(asyncio.ensure_future(handled))


def reply(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a value as JSON."""
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def read_body(request: web.Request) -> bytes:
    """Return the bytes of a body; aiohttp refuses too large ones."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _admit(endpoint: Endpoint, request: web.Request) -> Principal:
    principal = principal_of(request)
    if endpoint.access == "owner":
        if not _from_this_machine(request):
            raise Forbidden("This address answers only on the machine of the hub; run `hubbub` there.")
        if not principal.owner:
            raise Forbidden("This address is for the user who serves the workspace; use `hubbub` there.")
    return principal


def _from_this_machine(request: web.Request) -> bool:
    """Whether the client runs here: it came over loopback, or from the very address it came to."""
    local = request.transport.get_extra_info("sockname") if request.transport else None
    remote = request.remote or ""
    return is_loopback(remote) or (isinstance(local, tuple) and remote == local[0])


async def _given(endpoint: Endpoint, request: web.Request) -> msgspec.Struct:
    if endpoint.where == "query":
        return checked(_query(request, endpoint.given), endpoint.given, texts=True)
    if endpoint.given is Nothing:
        return Nothing()
    if endpoint.given is Several:
        return checked({"values": decode(await read_body(request))}, Several)
    value = decode_object(await read_body(request))
    return Anything(value) if endpoint.given is Anything else checked(value, endpoint.given)


def _query(request: web.Request, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the query as values; what a shape declares as a list may be repeated, empty is left out."""
    lists = {field.encode_name for field in msgspec.structs.fields(shape) if _is_list(field.type)}
    found: dict[str, Any] = {}
    for name in request.query:
        values = [value for value in request.query.getall(name) if value]
        if values:
            found[name] = _list_of(values) if name in lists else values[0]
    return found


def _list_of(values: list[str]) -> list[Any]:
    """Return a list that was sent by repeating its name, or, as the JavaScript SDK does, as JSON text."""
    found: list[Any] = []
    for value in values:
        try:
            items = orjson.loads(value) if value.startswith("[") else [value]
        except orjson.JSONDecodeError:
            items = [value]
        found += items
    return found


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list or any(_is_list(each) for each in get_args(kind))
