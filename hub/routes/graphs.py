"""`POST /graphs/{name}`: any program sends a graph's input and gets its output, nothing else to learn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web

from hub.endpoint import Anything, Call, Endpoint, reply
from hub.failures import RUN_STATUS, respond
from hub.routes.run_stream import HEADERS
from hub.routes.run_view import RunView, interrupts_of
from runtime.records import Run, RunOptions, RunStatus
from runtime.runs.run import StartRun
from runtime.types import Event, JsonObject

_SSE = "text/event-stream"


async def run(call: Call[Anything]) -> web.StreamResponse:
    """Run a graph to its end; `Accept: text/event-stream` sends its text as it is made."""
    started = await call.engine.runs.start(
        StartRun(
            tenant=call.tenant,
            graph=call.path("name"),
            input=call.given.value,
            idempotency_key=call.idempotency_key,
            traceparent=call.traceparent,
            options=RunOptions(key=call.key),
        )
    )
    call.span.set(run=started.id, thread=started.thread)
    if _SSE in call.request.headers.get("Accept", ""):
        return await _stream(call, started)
    ended = await call.engine.runs.wait(call.tenant, started.id)
    return _result(call, ended)


def _result(call: Call[Anything], run: Run) -> web.Response:
    headers = {"Hubbub-Run": run.id, "Hubbub-Thread": run.thread}
    if run.status is RunStatus.SUCCESS:
        return reply(run.output or {}, headers=headers)
    if run.status is RunStatus.INTERRUPTED:
        return reply(waiting_of(run), status=202, headers=headers)
    status, error = error_of(run)
    return respond(call.request, status, error.pop("code"), error.pop("message"), headers, **error)


def waiting_of(run: Run) -> JsonObject:
    """Return what a run waits for; it is answered through its thread."""
    return {"waiting": interrupts_of(run).get("__interrupt__", [])}


def error_of(run: Run) -> tuple[int, JsonObject]:
    """Return the status and the error of a run that has no output."""
    if run.status.active:
        sentence = (
            "The hub stops; the run goes on when it is back: send the request again with its Idempotency-Key."
        )
        return 503, {"code": "restarting", "message": sentence, "step": None, "run": run.id}
    error = run.error or {
        "code": run.status.value,
        "message": f"The run ended as {run.status.value}; start it again.",
    }
    about = {"code": error["code"], "message": error["message"], "step": error.get("step"), "run": run.id}
    return 504 if run.status is RunStatus.TIMEOUT else RUN_STATUS.get(error["code"], 500), about


# --------------------------------------------------------------------------- as it is made


async def _stream(call: Call[Anything], started: Run) -> web.StreamResponse:
    """Send `run`, a `text` for each piece, `restarted` where one begins anew.

    `output`, `waiting` or `error` is the last.
    """
    headers = {**HEADERS, "Hubbub-Run": started.id, "Hubbub-Thread": started.thread}
    response = web.StreamResponse(headers=headers)
    view = await RunView.of(call.engine, call.tenant, started)
    metrics = call.engine.telemetry.metrics
    metrics.socket_opened()
    try:
        with call.engine.telemetry.deliver_span():
            await response.prepare(call.request)
            async with aclosing(_frames(call, view)) as frames:
                async for frame in frames:
                    await response.write(frame)
            await response.write_eof()
    except ConnectionError:
        pass  # the client has left; the run belongs to its thread and goes on
    finally:
        metrics.socket_closed()
    return response


async def _frames(call: Call[Anything], view: RunView) -> AsyncGenerator[bytes]:
    yield _frame("run", {"run": view.run.id, "thread": view.run.thread, "graph": view.run.graph})
    steps: dict[str, str] = {}
    async with aclosing(view.looks()) as looks:
        async for look in looks:
            yield b"".join(_texts(look.events, steps)) if look.events else b": heartbeat\n\n"
    run = await view.ended()
    if run.status is RunStatus.SUCCESS:
        yield _frame("output", run.output or {})
    elif run.status is RunStatus.INTERRUPTED:
        yield _frame("waiting", waiting_of(run))
    else:
        yield _frame("error", {"error": {**error_of(run)[1], "trace_id": call.span.trace_id}})


def _texts(events: Iterable[Event], steps: dict[str, str]) -> list[bytes]:
    """Return frames for the text in some events; `steps` remembers which message is of which step."""
    frames = []
    for event in events:
        data = event.data
        if event.method == "custom":
            frames.append(_frame("custom", {"name": data.get("name"), "payload": data.get("payload")}))
        if event.method != "messages":
            continue
        id = data["message_id"]
        if data["event"] == "message-start":
            steps[id] = str((data.get("metadata") or {}).get("langgraph_node", ""))
        elif data["event"] == "content-block-delta" and data["delta"]["type"] == "text-delta":
            frames.append(_frame("text", {"step": steps.get(id, ""), "text": data["delta"]["text"]}))
        elif data["event"] == "error":
            frames.append(
                _frame("restarted", {"step": steps.get(id, ""), "message": data.get("message", "")})
            )
    return frames


def _frame(name: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS))


ENDPOINTS = (Endpoint("POST", "/graphs/{name}", "run.start", run, Anything, long=True),)
