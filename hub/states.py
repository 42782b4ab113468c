"""What a thread holds and held: `state.get`, `state.listCheckpoints` and `state.fork`."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated, Any

import msgspec

from hub.endpoint import Call
from hub.protocol import Command, Refused, params_as
from hub.routes.run_body import config_of
from runtime.errors import NotFound
from runtime.records import RunOptions
from runtime.runs.run import StartRun
from runtime.runs.state import Place, ThreadState
from runtime.types import JsonObject

_Id = Annotated[str, msgspec.Meta(max_length=256)]


class StateGet(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `state.get`; without `keys` the whole state."""

    namespace: list[str] = []
    keys: list[str] | None = None


class ListCheckpoints(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `state.listCheckpoints`; `before` is the id of the last one of a page."""

    namespace: list[str] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    before: _Id | None = None


class StateFork(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `state.fork`; without an `input` the run goes on from the checkpoint as it is."""

    checkpoint_id: _Id
    input: JsonObject | None = None
    config: JsonObject | None = None
    metadata: JsonObject | None = None
    idempotency_key: str | None = None


async def get(call: Call[Any], command: Command) -> JsonObject:
    """Return the newest state of a thread, or of a graph inside its own."""
    given = params_as(command.params, StateGet)
    state = await _read(call, command, given.namespace)
    keys = state.values if given.keys is None else given.keys
    result: JsonObject = {"values": {key: state.values[key] for key in keys if key in state.values}}
    if state.checkpoint_id:
        result["checkpoint"] = {"id": state.checkpoint_id}
        if given.namespace:
            result["checkpoint"]["ns"] = "|".join(given.namespace)
    return result | {"next": list(state.next)}


async def list_checkpoints(call: Call[Any], command: Command) -> JsonObject:
    """Return a page of a thread's checkpoints, the newest first."""
    given = params_as(command.params, ListCheckpoints)
    place = Place(namespace=tuple(given.namespace))
    found = await call.engine.threads.history(
        call.tenant, command.thread, place, limit=given.limit + 1, before=given.before
    )
    shown = [_summary(state, older) for state, older in zip_longest(found, found[1:])]
    return {"checkpoints": shown[: given.limit]}


async def fork(call: Call[Any], command: Command) -> JsonObject:
    """Start a run from a checkpoint, of the graph that wrote it."""
    given = params_as(command.params, StateFork)
    place = Place(given.checkpoint_id)
    state = await call.engine.threads.state(call.tenant, command.thread, place)
    request = StartRun(
        tenant=call.tenant,
        graph=state.metadata["graph_id"],
        input=given.input,
        thread=command.thread,
        create_thread=False,
        config=config_of(given.config or {}),
        metadata=given.metadata or {},
        idempotency_key=given.idempotency_key or call.idempotency_key,
        traceparent=call.span.traceparent or command.traceparent or call.traceparent,
        options=RunOptions(checkpoint=given.checkpoint_id, key=call.key),
    )
    run = await call.engine.runs.start(request)
    call.span.set(run=run.id)
    return {"run_id": run.id, "thread_id": run.thread}


async def _read(call: Call[Any], command: Command, namespace: list[str]) -> ThreadState:
    await call.engine.threads.get(call.tenant, command.thread)
    place = Place(namespace=tuple(namespace))
    try:
        return await call.engine.threads.state(call.tenant, command.thread, place)
    except NotFound as error:
        if not namespace:
            raise
        raise Refused("no_such_namespace", str(error)) from None


def _summary(state: ThreadState, older: ThreadState | None) -> JsonObject:
    """Return a checkpoint in the protocol's words; the steps that made it were the next ones before it."""
    found: JsonObject = {
        "id": state.checkpoint_id,
        "timestamp": state.created_at,
        "step": state.metadata.get("step", -1),
        "metadata": state.metadata,
    }
    if state.parent:
        found["parent_id"] = state.parent.checkpoint
        if older and older.place.checkpoint == state.parent.checkpoint and len(older.next) == 1:
            found["node_name"] = older.next[0]
    return found
