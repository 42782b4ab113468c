"""What the commands of the protocol do to threads and runs, and `POST /threads/{id}/commands`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec
from aiohttp import web

from hub import inputs, states
from hub.agent_tree import read_tree
from hub.auth import principal_of
from hub.endpoint import Call, Nothing, read_body
from hub.failures import request_id
from hub.parts import ENGINE, SPAN
from hub.protocol import (
    ANYWHERE,
    Command,
    Refused,
    Unreadable,
    check_method,
    code_of,
    failure,
    known_method,
    params_as,
    read_command,
    success,
)
from hub.routes.run_body import Multitask, RunBody, start_run
from runtime.errors import HubbubError, InvalidInput, NoSuchRun, NotFound, Overloaded, TooLarge
from runtime.records import Run
from runtime.telemetry import bind, get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)


class RunStart(RunBody, forbid_unknown_fields=True):
    """The parameters of `run.start`: what a run can be given over HTTP, and its idempotency key."""

    idempotency_key: str | None = None
    # As the JavaScript SDK spells it.
    camel_case_strategy: Multitask | None = msgspec.field(name="multitaskStrategy", default=None)


class RunCancel(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `run.cancel`."""

    run_id: str


class AgentGetTree(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `agent.getTree`; without a run that of the thread's newest one."""

    run_id: str | None = None


async def carry_out(call: Call[Any], command: Command) -> JsonObject:
    """Carry out a command that needs no connection that stays, and return its result; HubbubError."""
    if command.method in _STARTING and call.engine.draining:
        raise Overloaded("The hub is stopping; send the command again in a moment.", retry_after=2.0)
    return await _CARRIED[command.method](call, command)


def unforeseen(error: Exception, command: Command, request: web.Request) -> Refused:
    """Log an error that nobody meant, and return what the client is told."""
    id = request_id(request)
    _log.error("command failed inside the hub", request=id, method=command.method, exc_info=error)
    return Refused("unknown_error", f"The command failed inside Hubbub; look for {id} in the hub's log.")


async def _start(call: Call[Any], command: Command) -> JsonObject:
    given = params_as(command.params, RunStart)
    given.multitask_strategy = given.camel_case_strategy or given.multitask_strategy
    request = start_run(call, given, command.thread)
    traceparent = call.span.traceparent or command.traceparent or request.traceparent
    key = given.idempotency_key or request.idempotency_key
    request = replace(request, create_thread=True, idempotency_key=key, traceparent=traceparent)
    run = await call.engine.runs.start(request)
    call.span.set(run=run.id)
    return {"run_id": run.id}


async def _cancel(call: Call[Any], command: Command) -> JsonObject:
    given = params_as(command.params, RunCancel)
    call.span.set(run=given.run_id)
    run = await call.engine.runs.get(call.tenant, given.run_id)
    if command.thread not in ("", run.thread):
        raise NotFound(f"The run {run.id} is not of this thread; list the thread's runs to find it.")
    run = await call.engine.runs.cancel(call.tenant, run.id)
    return {"run_id": run.id, "status": run.status.value}


async def _tree(call: Call[Any], command: Command) -> JsonObject:
    given = params_as(command.params, AgentGetTree)
    return {"tree": (await read_tree(call.engine.journal, await _run(call, command, given.run_id))).shown()}


async def _run(call: Call[Any], command: Command, id: str | None) -> Run:
    """Return a run of the command's thread; without an id the newest one."""
    if id is not None:
        run = await call.engine.runs.get(call.tenant, id)
        if run.thread != command.thread:
            raise NoSuchRun(f"The run {run.id} is not of this thread; list the thread's runs to find it.")
        return run
    await call.engine.threads.get(call.tenant, command.thread)
    if newest := await call.engine.runs.list(call.tenant, command.thread, 1):
        return newest[0]
    raise NoSuchRun("The thread has no run yet; start one.")


async def _ping(call: Call[Any], command: Command) -> JsonObject:
    return {}


_CARRIED: Final[Mapping[str, Callable[[Call[Any], Command], Awaitable[JsonObject]]]] = {
    "ping": _ping,
    "run.start": _start,
    "run.cancel": _cancel,
    "input.respond": inputs.respond,
    "input.inject": inputs.inject,
    "state.get": states.get,
    "state.listCheckpoints": states.list_checkpoints,
    "state.fork": states.fork,
    "agent.getTree": _tree,
}

_STARTING: Final = frozenset({"run.start", "state.fork", "input.respond", "input.inject"})
"""Commands that a hub which stops does not take any more."""


# --------------------------------------------------------------------------- over HTTP


async def post(request: web.Request) -> web.Response:
    """Answer one command; errors of the protocol are replies, too, for clients do not read other bodies."""
    try:
        command = read_command(await read_body(request))
    except Unreadable as error:
        return await _refused(request, error)
    except web.HTTPRequestEntityTooLarge:
        limit = request.client_max_size
        return await _refused(request, Unreadable(TooLarge(f"The command is over {limit} bytes; send less.")))
    engine = request.app[ENGINE]
    thread, method = request.match_info["thread_id"], known_method(command.method)
    traceparent = command.traceparent or request.headers.get("traceparent")
    span = engine.telemetry.request_span(method, thread=thread, traceparent=traceparent)
    request[SPAN] = span
    with span:
        with engine.telemetry.admit_span():
            principal = principal_of(request)
        span.set(tenant=principal.tenant)
        call: Call[Any] = Call(request, engine, principal, Nothing(), span)
        try:
            with bind(tenant=principal.tenant):
                result = await carry_out(call, _admitted(command, thread))
        except HubbubError as error:
            span.record(error)
            return _reply(request, command, error)
        except Exception as error:
            span.record(error)
            return _reply(request, command, unforeseen(error, command, request))
    engine.telemetry.metrics.command(method, "success")
    return web.Response(body=success(command, result), content_type="application/json")


def _admitted(command: Command, thread: str) -> Command:
    check_method(command.method)
    if command.thread not in ("", thread):
        raise InvalidInput(f"This address is for the thread {thread}; send the command to its own.")
    if command.method not in ANYWHERE:
        raise Refused(
            "not_supported", f"{command.method} needs a connection that stays; send it on a socket."
        )
    return Command(command.id, command.method, command.params, thread, command.traceparent)


async def _refused(request: web.Request, error: Unreadable) -> web.Response:
    principal_of(request)
    request.app[ENGINE].telemetry.metrics.command("unknown", error.error.code)
    return web.Response(body=failure(error.id, error.error), content_type="application/json")


def _reply(request: web.Request, command: Command, error: HubbubError) -> web.Response:
    metrics = request.app[ENGINE].telemetry.metrics
    metrics.command(known_method(command.method), code_of(error))
    body = failure(command.id, error, trace=request[SPAN].trace_id)
    return web.Response(body=body, content_type="application/json")


ROUTES = (web.post("/threads/{thread_id}/commands", post),)
