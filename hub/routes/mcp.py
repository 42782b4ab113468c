"""`/mcp`: the graphs as tools of the Model Context Protocol, over its streamable HTTP."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import orjson
from aiohttp import web

from hub.dialects import mcp
from hub.endpoint import Anything, Call, Endpoint, reply
from hub.routes.graphs import error_of, waiting_of
from hub.routes.run_stream import HEADERS
from hub.routes.run_view import HEARTBEAT
from runtime.errors import HubbubError, NotFound
from runtime.records import Run, RunOptions, RunStatus
from runtime.runs.run import StartRun
from runtime.types import JsonObject

_SSE = "text/event-stream"


async def post(call: Call[Anything]) -> web.StreamResponse:
    """Answer one message."""
    body, headers = call.given.value, call.request.headers
    try:
        message = mcp.read(body, headers)
        if message.id is None:
            return web.Response(status=202)  # notifications: no state is kept that they could change
        if message.method == "tools/call":
            return await _call(call, message)
        return reply(mcp.answer(message.id, await _answer(call, message)))
    except mcp.Refused as refused:
        return reply(mcp.refusal(body.get("id"), refused), status=mcp.status(refused, headers))


async def _answer(call: Call[Anything], message: mcp.Message) -> JsonObject:
    match message.method:
        case "initialize":
            return mcp.initialized(message, _server())
        case "server/discover":
            return mcp.discovered(_server())
        case "ping":
            return {}
        case "tools/list":
            return mcp.listed(await _tools(call))
        case method:
            raise mcp.Refused(
                f"This hub knows no {method[:100]}; list its tools with tools/list, or use tools/call.",
                mcp.NO_METHOD,
            )


def _server() -> JsonObject:
    from runtime.engine import VERSION

    return {"name": "hubbub", "version": VERSION}


async def _tools(call: Call[Anything]) -> list[JsonObject]:
    graphs, tools = call.engine.graphs, []
    for name in graphs.names():
        with suppress(HubbubError):  # a graph with mistakes is named on /healthz, and cannot be run
            version = await graphs.get(name)
            tools.append(mcp.tool(name, version.about or f"Runs the graph {name}.", version.input_schema))
    return tools


# --------------------------------------------------------------------------- calls


async def _call(call: Call[Anything], message: mcp.Message) -> web.StreamResponse:
    """Run a graph to its end.  The run goes on when the client leaves: it is its thread's."""
    name, arguments = message.text("name"), message.mapping("arguments")
    try:
        run = await _started(call, name, arguments)
    except mcp.Refused:
        raise
    except HubbubError as error:
        return reply(mcp.answer(message.id, mcp.failed(str(error), {})))
    call.span.set(run=run.id, thread=run.thread)
    ending = asyncio.create_task(call.engine.runs.wait(call.tenant, run.id), name=f"mcp call {run.id}")
    try:
        quick, _ = await asyncio.wait([ending], timeout=HEARTBEAT)
        if not quick and _SSE in call.request.headers.get("Accept", ""):
            return await _stream(call, message, ending)
        return reply(mcp.answer(message.id, _result(await ending)))
    finally:
        ending.cancel()


async def _started(call: Call[Anything], name: str, arguments: JsonObject) -> Run:
    """Start a run of a graph; Refused when there is none of that name."""
    try:
        await call.engine.graphs.get(name)
    except NotFound as error:
        raise mcp.Refused(str(error), mcp.WRONG_PARAMS) from error
    return await call.engine.runs.start(
        StartRun(
            tenant=call.tenant,
            graph=name,
            input=arguments,
            idempotency_key=call.idempotency_key,
            traceparent=call.traceparent,
            options=RunOptions(key=call.key),
        )
    )


def _result(run: Run) -> JsonObject:
    about = {"hubbub/run": run.id, "hubbub/thread": run.thread}
    if run.status is RunStatus.SUCCESS:
        return mcp.given(run.output or {}, about)
    if run.status is RunStatus.INTERRUPTED:
        words = f"The run waits for a person; it goes on when somebody answers on its thread {run.thread}."
        return mcp.given({**waiting_of(run), "thread": run.thread, "run": run.id}, about, words)
    return mcp.failed(error_of(run)[1]["message"], about)


async def _stream(
    call: Call[Anything], message: mcp.Message, ending: asyncio.Task[Run]
) -> web.StreamResponse:
    """Send a sign of life now and then, which keeps the line open, and the answer as the one event."""
    response = web.StreamResponse(headers=HEADERS)
    with suppress(ConnectionError):  # the client has left
        await response.prepare(call.request)
        while not ending.done():
            await response.write(b": heartbeat\n\n")
            await asyncio.wait([ending], timeout=HEARTBEAT)
        body = orjson.dumps(mcp.answer(message.id, _result(await ending)), option=orjson.OPT_NON_STR_KEYS)
        await response.write(b"event: message\ndata: %b\n\n" % body)
        await response.write_eof()
    return response


ENDPOINTS = (Endpoint("POST", "/mcp", "mcp", post, Anything, long=True),)
