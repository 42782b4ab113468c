"""`/runs` and `/threads/{id}/runs`: start, stream, wait, list, join, cancel, as the LangGraph SDK asks."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any, Final, Literal

import msgspec
import orjson
from aiohttp import web

from hub.body import checked
from hub.endpoint import Call, Endpoint, Nothing, Several, reply
from hub.parts import BACKGROUND
from hub.routes.run_body import RunBody, modes_of, start_run
from hub.routes.run_stream import cancel_run, locations, stream
from hub.routes.run_view import HEARTBEAT, RunView, failure_of, interrupts_of
from hub.routes.shapes import RUN_STATUS, run_object, selected
from runtime.errors import InvalidInput, NoSuchRun, NotFound
from runtime.records import Run, RunStatus
from runtime.types import JsonObject

MOST = 1000
"""The most runs in one answer."""


class RunList(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}/runs`."""

    limit: int = 10
    offset: int = 0
    status: Literal["pending", "running", "error", "success", "timeout", "interrupted"] | None = None
    select: list[str] | None = None


class Joined(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}/runs/{id}/stream`."""

    stream_mode: list[str] | None = None
    stream_subgraphs: bool = True
    cancel_on_disconnect: bool = False


class Cancelled(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `POST /threads/{id}/runs/{id}/cancel`."""

    wait: bool = False
    action: Literal["interrupt", "rollback"] = "interrupt"


class BatchedRun(RunBody, forbid_unknown_fields=True):
    """One of the runs of `POST /runs/batch`."""

    thread_id: str | None = None


class CancelledMany(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /runs/cancel`."""

    thread_id: str | None = None
    run_ids: list[str] | None = None
    status: Literal["pending", "running", "all"] | None = None


_OURS: Final = {
    word: tuple(ours for ours, theirs in RUN_STATUS.items() if theirs == word) for word in RUN_STATUS.values()
}
_CAPITAL: Final = re.compile("[A-Z]")
_BULK: Final = {**_OURS, "all": (RunStatus.ACCEPTED, RunStatus.RUNNING)}

# --------------------------------------------------------------------------- start


async def create(call: Call[RunBody]) -> web.Response:
    """Start a run and return its record."""
    run, _ = await _start(call)
    return reply(run_object(run), headers=locations(run))


async def create_and_stream(call: Call[RunBody]) -> web.StreamResponse:
    """Start a run and send its events."""
    modes = modes_of(call.given.stream_mode)
    run, start = await _start(call)
    view = await RunView.of(call.engine, call.tenant, run, start)
    return await stream(
        call,
        view,
        modes,
        subgraphs=call.given.stream_subgraphs,
        cancel=call.given.on_disconnect == "cancel",
    )


async def create_and_wait(call: Call[RunBody]) -> web.StreamResponse:
    """Start a run and return the state it ends with."""
    run, start = await _start(call)
    view = await RunView.of(call.engine, call.tenant, run, start)
    return await _wait(call, view, cancel=call.given.on_disconnect == "cancel")


async def _start(call: Call[RunBody]) -> tuple[Run, int | None]:
    """Start a run; returns it with the seq its events come after, None where only the journal knows."""
    thread = call.request.match_info.get("thread_id")
    before: int | None = 0
    if thread is not None:
        try:
            before = (await call.engine.threads.channel(call.tenant, thread)).last_seq
        except NotFound:
            before = 0
    run = await call.engine.runs.start(start_run(call, call.given, thread))
    call.span.set(run=run.id, thread=run.thread)
    # The key may have found a run that began long ago.
    return run, None if call.idempotency_key else before


async def batch(call: Call[Several]) -> web.Response:
    """Start several runs in their order; when one is refused, those before it have been started."""
    if len(call.given.values) > MOST:
        raise InvalidInput(f"A batch has at most {MOST} runs; send them in parts.")
    bodies = [checked(_spelt_with_lines(value), BatchedRun) for value in call.given.values]
    requests = [start_run(call, body, body.thread_id) for body in bodies]
    started = []
    for number, request in enumerate(requests):
        key = request.idempotency_key and f"{request.idempotency_key}:{number}"
        started.append(run_object(await call.engine.runs.start(replace(request, idempotency_key=key))))
    return reply(started)


def _spelt_with_lines(value: JsonObject) -> JsonObject:
    """Return `stream_mode` for `streamMode`: the JavaScript SDK sends a batch as its caller wrote it."""
    return {_CAPITAL.sub(lambda letter: f"_{letter[0].lower()}", name): each for name, each in value.items()}


# --------------------------------------------------------------------------- look


async def list_runs(call: Call[RunList]) -> web.Response:
    """List a thread's runs, newest first."""
    given, thread = call.given, call.path("thread_id")
    if not 1 <= given.limit <= MOST or given.offset < 0:
        raise InvalidInput(f"`limit` is 1 to {MOST} and `offset` not negative; ask for another page.")
    await call.engine.threads.get(call.tenant, thread)
    status = () if given.status is None else _OURS[given.status]
    found = await call.engine.runs.list(call.tenant, thread, given.limit, given.offset, status)
    return reply([selected(run_object(run), given.select) for run in found])


async def get(call: Call[Nothing]) -> web.Response:
    """Return a run."""
    return reply(run_object(await _run(call)))


async def join(call: Call[Nothing]) -> web.StreamResponse:
    """Return the state that a run ends with."""
    return await _wait(call, await RunView.of(call.engine, call.tenant, await _run(call)), cancel=False)


async def join_stream(call: Call[Joined]) -> web.StreamResponse:
    """Send a run's events from where the client stands; without `Last-Event-ID` from its start.

    Without `stream_mode` those that the run was created with: clients that come back by themselves send none.
    """
    run, given = await _run(call), call.given
    modes = modes_of(given.stream_mode or run.config.get("stream_mode") or ["values"])
    view = await RunView.of(call.engine, call.tenant, run)
    return await stream(
        call, view, modes, subgraphs=given.stream_subgraphs, cancel=given.cancel_on_disconnect
    )


async def cancel(call: Call[Cancelled]) -> web.Response:
    """Stop a run; with `wait` the answer comes when it has stopped.  `rollback` undoes and deletes it."""
    run = await _run(call)
    stop = call.engine.runs.cancel(call.tenant, run.id, roll_back=call.given.action == "rollback")
    if not call.given.wait:
        call.request.app[BACKGROUND].start(stop, f"cancel run {run.id}")
        return web.Response(status=202)
    await stop
    return web.Response(status=204)


async def cancel_many(call: Call[CancelledMany]) -> web.Response:
    """Stop runs of a thread, or all runs that wait for their turn or work; returns when they have stopped."""
    given, runs = call.given, call.engine.runs
    action = call.request.query.get("action", "interrupt")
    if action not in ("interrupt", "rollback"):
        raise InvalidInput("`action` is interrupt or rollback.")
    if given.status is not None and (given.thread_id or given.run_ids):
        raise InvalidInput("Runs are named by `status`, or by `thread_id` and `run_ids`, not both ways.")
    if given.status is not None:
        found = list(runs.active(call.tenant, _BULK[given.status]))
    elif given.thread_id and given.run_ids:
        found = [await _of(call, given.thread_id, id) for id in given.run_ids]
    else:
        raise InvalidInput("Say which runs: `status`, or `thread_id` and `run_ids`.")
    if not found:
        raise NotFound("There are no such runs; list a thread's runs to see what they do.")
    stops = [runs.cancel(call.tenant, run.id, roll_back=action == "rollback") for run in found]
    await asyncio.gather(*stops)
    return web.Response(status=204)


async def delete(call: Call[Nothing]) -> web.Response:
    """Delete the record of a run that has ended."""
    run = await _run(call)
    await call.engine.runs.delete(call.tenant, run.id)
    return web.Response(status=204)


async def _run(call: Call[Any]) -> Run:
    """Return the run that the path names."""
    return await _of(call, call.request.match_info.get("thread_id"), call.path("run_id"))


async def _of(call: Call[Any], thread: str | None, id: str) -> Run:
    run = await call.engine.runs.get(call.tenant, id)
    if thread is not None and run.thread != thread:
        raise NoSuchRun(f"The run {run.id} is not of this thread; list the thread's runs to find it.")
    return run


async def _wait(call: Call[Any], view: RunView, *, cancel: bool) -> web.StreamResponse:
    """Answer with the run's final state; spaces before it keep a long wait alive."""
    headers = {"Content-Type": "application/json", **locations(view.run, "join")}
    response = web.StreamResponse(headers=headers)
    try:
        await response.prepare(call.request)
        run = await _patiently(view, response)
        if run.status.active:
            return _give_up(call, response)
        failure = failure_of(run)
        value = {"__error__": failure} if failure else {**await view.values(run), **interrupts_of(run)}
        await response.write_eof(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except (asyncio.CancelledError, ConnectionError):
        if cancel:
            cancel_run(call, view.run)
        raise
    return response


async def _patiently(view: RunView, response: web.StreamResponse) -> Run:
    """Return the run's record when it has ended, writing a line now and then."""
    ended = asyncio.create_task(view.ended(), name=f"wait for run {view.run.id}")
    try:
        while not (await asyncio.wait([ended], timeout=HEARTBEAT))[0]:
            await response.write(b"\n")
        return ended.result()
    finally:
        ended.cancel()


def _give_up(call: Call[Any], response: web.StreamResponse) -> web.StreamResponse:
    """Break the connection: the hub stops, and the client comes back to `Location`."""
    if call.request.transport:
        call.request.transport.abort()
    return response


_THREAD, _RUN = "/threads/{thread_id}/runs", "/threads/{thread_id}/runs/{run_id}"

ENDPOINTS = (
    *(
        endpoint
        for base in ("/runs", _THREAD)
        for endpoint in (
            Endpoint("POST", base, "run.start", create, RunBody),
            Endpoint("POST", f"{base}/stream", "run.start", create_and_stream, RunBody, long=True),
            Endpoint("POST", f"{base}/wait", "run.start", create_and_wait, RunBody, long=True),
        )
    ),
    Endpoint("GET", _THREAD, "runs.list", list_runs, RunList, where="query"),
    Endpoint("GET", _RUN, "runs.get", get),
    Endpoint("GET", f"{_RUN}/join", "runs.join", join, long=True),
    Endpoint("GET", f"{_RUN}/stream", "runs.join", join_stream, Joined, where="query", long=True),
    Endpoint("GET", "/runs/{run_id}/stream", "runs.join", join_stream, Joined, where="query", long=True),
    Endpoint("POST", f"{_RUN}/cancel", "run.cancel", cancel, Cancelled, where="query"),
    Endpoint("POST", "/runs/cancel", "run.cancel", cancel_many, CancelledMany),
    Endpoint("DELETE", _RUN, "runs.delete", delete),
    Endpoint("POST", "/runs/batch", "run.start", batch, Several),
)
