"""What people say to a run that waits for them or works: `input.respond` and `input.inject`."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import msgspec

from hub.endpoint import Call
from hub.protocol import Command, Refused, params_as
from hub.routes.run_body import config_of
from runtime.errors import InvalidInput, NoSuchRun
from runtime.records import RunStatus
from runtime.runs.answers import Answer
from runtime.types import JsonObject


class Response(msgspec.Struct, forbid_unknown_fields=True):
    """The answer to one question."""

    interrupt_id: str
    response: Any
    namespace: list[str] = []


class InputRespond(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `input.respond`: one answer, or several in `responses`.

    The id of a question says where it was asked, so `namespace` may be left out.
    """

    interrupt_id: str | None = None
    response: Any = msgspec.UNSET
    namespace: list[str] = []
    responses: Annotated[list[Response], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    update: JsonObject | None = None
    goto: str | JsonObject | list[str | JsonObject] | None = None
    config: JsonObject | None = None
    metadata: JsonObject | None = None


class InputMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A message to a run that works."""

    role: Literal["user", "system"]
    content: str
    name: str | None = None
    id: str | None = None


class InputInject(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `input.inject`."""

    message: InputMessage
    namespace: list[str] = []


async def respond(call: Call[Any], command: Command) -> JsonObject:
    """Answer what a run of the thread asks: that run goes on."""
    given = params_as(command.params, InputRespond)
    answer = Answer(
        _responses(given),
        update=given.update,
        goto=given.goto,
        config=config_of(given.config or {}),
        metadata=given.metadata or {},
    )
    run = await call.engine.runs.respond(call.tenant, command.thread, answer)
    call.span.set(run=run.id)
    return {"run_id": run.id}


async def inject(call: Call[Any], command: Command) -> JsonObject:
    """Send a message into the run of the thread that works now."""
    given = params_as(command.params, InputInject)
    if given.namespace:
        raise Refused(
            "not_supported", "A message goes to the graph of the run itself; leave namespace empty."
        )
    await call.engine.threads.get(call.tenant, command.thread)
    working = await call.engine.runs.list(call.tenant, command.thread, 1, status=(RunStatus.RUNNING,))
    if not working:
        raise NoSuchRun("No run of the thread works now; start one with the message.")
    message = {
        key: value for key, value in msgspec.structs.asdict(given.message).items() if value is not None
    }
    message.setdefault("id", str(uuid.uuid4()))
    run = await call.engine.runs.inject(call.tenant, working[0].id, message)
    call.span.set(run=run.id)
    return {"run_id": run.id, "message_id": message["id"]}


def _responses(given: InputRespond) -> dict[str, Any]:
    """Return the answers by the ids of their questions."""
    if given.responses is None:
        if given.interrupt_id is None or given.response is msgspec.UNSET:
            raise InvalidInput("An answer has interrupt_id and response, or a list of them in responses.")
        return {given.interrupt_id: given.response}
    if given.interrupt_id is not None or given.response is not msgspec.UNSET:
        raise InvalidInput("Send one answer, or several in responses, not both.")
    found = {each.interrupt_id: each.response for each in given.responses}
    if len(found) != len(given.responses):
        raise InvalidInput("A question is answered twice in responses; send one answer to each.")
    return found
