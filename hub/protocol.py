"""The words of the Agent Streaming Protocol: commands in, replies and events out, as bytes."""

from __future__ import annotations

import enum
import math
from typing import Annotated, Final

import msgspec
import orjson

from hub.body import Given, checked, decode
from runtime.errors import HubbubError, InvalidInput, Overloaded
from runtime.types import Event, JsonObject

SUBPROTOCOL: Final = "hubbub.v1"
BEARER: Final = "bearer."
"""What stands before a token that a browser sends as a subprotocol: it cannot send headers on a socket."""

MAX_FRAME: Final = 1 << 20
"""Bytes of the longest frame that clients take."""

CHANNELS: Final = frozenset(
    {
        *("values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"),
        "graphs",  # of no thread: which graphs were edited or published
    }
)
DURABLE: Final = frozenset({"updates", "lifecycle", "input", "checkpoints", "custom"})
"""Channels all of whose events are in the log."""

ANYWHERE: Final = frozenset(
    {
        *("run.start", "run.cancel", "input.respond", "input.inject", "agent.getTree", "ping"),
        *("state.get", "state.listCheckpoints", "state.fork"),
    }
)
"""Commands that need no connection that stays."""

COMMANDS: Final = ANYWHERE | {
    *("auth", "auth.refresh"),
    *("subscription.subscribe", "subscription.unsubscribe", "subscription.reconnect"),
}

_BIGGEST = (1 << 53) - 1
_SHOWN = 60
_FEW = msgspec.Meta(max_length=64)
_Word = Annotated[str, msgspec.Meta(max_length=256)]


class Close(enum.IntEnum):
    """Why a socket is closed: below 3500 the client may come back, from there on it must change something."""

    SHUTDOWN = 3001
    INTERNAL = 3004
    SLOW = 3008
    NO_PONG = 3012
    BAD_TOKEN = 3500
    NOT_IN_TIME = 3502
    LIMIT = 3504
    UNKNOWN_THREAD = 4404  # official clients read 4000 + the status that HTTP would have had


class Command(msgspec.Struct, frozen=True):
    """One command.  `thread` is "" where it concerns none; `id` is None in an unreadable one."""

    id: int | None
    method: str
    params: JsonObject = {}
    thread: str = ""
    traceparent: str | None = None


class _Meta(msgspec.Struct):
    traceparent: str | None = None


class _Fields(msgspec.Struct):
    """A command as it is sent; what the protocol may add later is let through."""

    method: str
    params: JsonObject | None = None
    thread: str | None = None
    meta: _Meta | None = None


class Since(msgspec.Struct, forbid_unknown_fields=True):
    """A place in a thread's events, and the process that gave it."""

    seq: Annotated[int, msgspec.Meta(ge=0)]
    epoch: str = ""


class Subscribe(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `subscription.subscribe`, and the body of an event stream."""

    channels: Annotated[list[_Word], msgspec.Meta(min_length=1, max_length=64)]
    namespaces: Annotated[list[Annotated[list[_Word], _FEW]], _FEW] | None = None
    depth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    since: Annotated[int, msgspec.Meta(ge=0)] | Since | None = None
    coalesce: bool = False


class Unsubscribe(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `subscription.unsubscribe`."""

    subscription_id: str


class Reconnect(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of `subscription.reconnect`."""

    run_id: str
    last_event_id: str | None = None
    subscriptions: Annotated[list[str], _FEW] = []


class Refused(HubbubError):
    """A refusal in a word of the protocol that no error of the runtime has."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.word = code


class Unreadable(HubbubError):
    """Bytes that are no command; `id` is the one it would have had."""

    def __init__(self, error: HubbubError, id: int | None = None) -> None:
        super().__init__(str(error))
        self.error, self.id = error, id


# --------------------------------------------------------------------------- commands


def read_command(raw: bytes) -> Command:
    """Return the command in a message; Unreadable for everything else."""
    id: int | None = None
    try:
        value = _object(raw)
        id = _id(value.get("id"))
        fields = checked(value, _Fields)
    except InvalidInput as error:
        raise Unreadable(error, id) from None
    if id is None:
        refusal = InvalidInput("The id of a command is a whole number from 0; send it with one.")
        raise Unreadable(refusal)
    traceparent = fields.meta.traceparent if fields.meta else None
    return Command(id, fields.method, fields.params or {}, fields.thread or "", traceparent)


def _object(raw: bytes) -> JsonObject:
    value = decode(raw)
    if not isinstance(value, dict):
        raise InvalidInput("A command is a JSON object; send {id, method, params}.")
    return value


def check_method(method: str) -> None:
    """Refuse what is no command."""
    if method not in COMMANDS:
        raise Refused(
            "unknown_command",
            f"There is no command {_short(method)}; choose from {', '.join(sorted(COMMANDS))}.",
        )


def known_method(method: str) -> str:
    """Return the name of a command for metrics and traces: clients do not get to choose it."""
    return method if method in COMMANDS else "unknown"


def read_subscribe(params: JsonObject) -> Subscribe:
    """Return checked parameters; InvalidInput names what is wrong."""
    return checked_channels(params_as(params, Subscribe))


def checked_channels(given: Subscribe) -> Subscribe:
    """Return a subscription whose channels there are; InvalidInput."""
    for channel in given.channels:
        if channel not in CHANNELS and not (channel.startswith("custom:") and len(channel) > len("custom:")):
            known = ", ".join(sorted(CHANNELS))
            raise InvalidInput(f"There is no channel {_short(channel)}; choose from {known}, custom:NAME.")
    return given


def params_as(params: JsonObject, shape: type[Given]) -> Given:
    """Return the parameters of a command as `shape`; InvalidInput names what is wrong."""
    return checked(params, shape)


def seq_of(event_id: str, thread: str) -> int:
    """Return the seq in an event's id; InvalidInput when it is none of this thread."""
    of, _, seq = event_id.rpartition(":")
    if of != thread or not (seq.isascii() and seq.isdigit()) or int(seq) > _BIGGEST:
        raise InvalidInput(
            f"There is no event {_short(event_id)} of the thread {thread}; send the event_id of one you saw."
        )
    return int(seq)


def _id(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _BIGGEST else None  # type: ignore[operator,return-value]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


# --------------------------------------------------------------------------- replies


def success(command: Command, result: JsonObject, *, many: bool = False, applied: int = 0) -> bytes:
    """Return the reply to a command that was carried out; `applied` is 0 where nothing was sent yet."""
    reply: JsonObject = {"type": "success", "id": command.id, "result": result}
    return _reply(reply, command.thread if many else "", applied)


def failure(
    id: int | None,
    error: HubbubError,
    *,
    thread: str = "",
    applied: int = 0,
    trace: str | None = None,
) -> bytes:
    """Return the reply to a command that was refused."""
    reply: JsonObject = {
        "type": "error",
        "id": id,
        "error": code_of(error),
        "message": str(error),
        "retryable": error.retryable,
    }
    if isinstance(error, Overloaded):
        reply["retry_after_ms"] = max(1, math.ceil(error.retry_after * 1000))
    if trace:
        reply["trace_id"] = trace
    return _reply(reply, thread, applied)


def code_of(error: HubbubError) -> str:
    """Return the protocol's word for an error."""
    return error.word if isinstance(error, Refused) else error.code


def _reply(reply: JsonObject, thread: str, applied: int) -> bytes:
    if thread:
        reply["thread"] = thread
    if applied:
        reply["meta"] = {"applied_through_seq": applied}
    return orjson.dumps(reply, option=orjson.OPT_NON_STR_KEYS)


# --------------------------------------------------------------------------- events


def event_prefix(thread: str, *, many: bool) -> bytes:
    """Return what all events of a thread begin with on one socket, up to the number in the event's id."""
    name = orjson.dumps(thread)
    return b'{"type":"event",%b"event_id":%b:' % (b'"thread":%b,' % name if many else b"", name[:-1])


def event_frame(prefix: bytes, event: Event) -> bytes:
    """Return an event as it is sent; its data is not encoded again.  Nothing is over MAX_FRAME."""
    frame = _frame(prefix, event)
    return frame if len(frame) <= MAX_FRAME else _frame(prefix, _stand_in(event, len(frame)))


def notice(method: str, data: JsonObject, thread: str = "", seq: int | None = None) -> bytes:
    """Return an event that is not of the log: `drain`, `graphs`, `lagged`, the state one begins with."""
    event: JsonObject = {"type": "event"}
    if thread:
        event["thread"] = thread
    if seq is not None:
        event["seq"] = seq
    event |= {"method": method, "params": {"namespace": [], "timestamp": _NEVER, "data": data}}
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS)


def too_large(method: str, size: int) -> JsonObject:
    """Return what stands in for data that does not fit into a frame."""
    message = f"This has {size} bytes, over the {MAX_FRAME} of a frame; read the thread's state over HTTP."
    return {"method": method, "bytes": size, "message": message}


_NEVER = 0


def _frame(prefix: bytes, event: Event) -> bytes:
    node = event.data.get("node") if event.method == "messages" else None
    return b'%b%d","seq":%d,"method":"%b","params":{"namespace":%b,%b"timestamp":%d,"data":%b}}' % (
        prefix,
        event.origin or event.seq,
        event.seq,
        event.method.encode(),
        orjson.dumps(event.namespace) if event.namespace else b"[]",
        b'"node":%b,' % orjson.dumps(node) if node else b"",
        event.timestamp,
        event.payload,
    )


def _stand_in(event: Event, size: int) -> Event:
    data = too_large(event.method, size)
    return Event(event.thread, event.seq, "too_large", data, event.run, event.timestamp)
