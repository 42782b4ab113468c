"""The words of the protocol, byte by byte."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_protocol import protocol as spec

from hub.protocol import (
    CHANNELS,
    COMMANDS,
    MAX_FRAME,
    Command,
    Refused,
    Unreadable,
    code_of,
    event_frame,
    event_prefix,
    failure,
    notice,
    read_command,
    read_subscribe,
    seq_of,
    success,
)
from hub.subscriptions import Subscription
from runtime.errors import InvalidInput, NotFound, Overloaded
from runtime.types import Event

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_command_or_a_sentence(raw: bytes) -> None:
    """Nothing else ever comes out of reading."""
    try:
        command = read_command(raw)
    except Unreadable as refusal:
        said, id = str(refusal), refusal.id
        assert said.endswith(".")
        assert id is None or id >= 0
    else:
        assert isinstance(command.id, int)


@given(
    thread=st.text(min_size=1, max_size=20),
    seq=st.integers(1, 2**53),
    method=st.sampled_from(sorted(CHANNELS)),
    data=st.dictionaries(st.text(max_size=8), _JSON, max_size=4),
    namespace=st.lists(st.text(max_size=8), max_size=3),
    many=st.booleans(),
)
def test_an_event_is_the_envelope_of_the_specification(
    thread: str, seq: int, method: str, data: dict[str, Any], namespace: list[str], *, many: bool
) -> None:
    """It is put together from bytes, and reads as if it had been encoded as a whole."""
    event = Event(thread, seq, method, data, "r", 12, tuple(namespace))
    frame = orjson.loads(event_frame(event_prefix(thread, many=many), event))
    # Clients tell messages that are open at once apart by the node that writes them.
    node = {"node": data["node"]} if method == "messages" and data.get("node") else {}
    assert frame == {
        "type": "event",
        **({"thread": thread} if many else {}),
        "event_id": f"{thread}:{seq}",
        "seq": seq,
        "method": method,
        "params": {"namespace": namespace, **node, "timestamp": 12, "data": data},
    }


def test_a_message_names_the_node_that_writes_it() -> None:
    """Of two messages in one namespace the JavaScript SDK tells what belongs to which by their nodes."""
    event = Event("t", 7, "messages", {"event": "message-finish", "node": "write"}, "r", 12)
    assert json.loads(event_frame(event_prefix("t", many=False), event))["params"]["node"] == "write"


def test_what_a_replay_puts_in_the_place_of_a_live_event_has_its_id() -> None:
    """So a client that saw the live one passes over it."""
    event = Event("t", 7, "messages", {"event": "message-start"}, "r", 12, origin=3)
    frame = json.loads(event_frame(event_prefix("t", many=False), event))
    assert (frame["event_id"], frame["seq"]) == ("t:3", 7)


def test_an_event_at_the_limit_fits_and_one_over_it_is_replaced() -> None:
    """The limit is that of the whole frame."""
    prefix = event_prefix("t", many=False)
    room = MAX_FRAME - len(event_frame(prefix, Event("t", 1, "values", {"a": ""}, "r", 12)))
    whole = event_frame(prefix, Event("t", 1, "values", {"a": "x" * room}, "r", 12))
    assert len(whole) == MAX_FRAME
    over = orjson.loads(event_frame(prefix, Event("t", 1, "values", {"a": "x" * (room + 1)}, "r", 12)))
    assert (over["method"], over["seq"]) == ("too_large", 1)
    assert over["params"]["data"]["bytes"] == MAX_FRAME + 1


def test_replies_have_the_envelope_of_the_specification() -> None:
    """With a place in the events only where something was sent, and the thread only where there are many."""
    command = Command(7, "ping", {}, "t1")
    assert json.loads(success(command, {})) == {"type": "success", "id": 7, "result": {}}
    assert json.loads(success(command, {}, many=True, applied=42)) == {
        "type": "success",
        "id": 7,
        "result": {},
        "thread": "t1",
        "meta": {"applied_through_seq": 42},
    }
    late = json.loads(failure(7, Overloaded("Wait.", retry_after=0.25), trace="abc"))
    assert (late["error"], late["retryable"], late["retry_after_ms"]) == ("rate_limited", True, 250)
    assert late["trace_id"] == "abc"
    assert json.loads(failure(None, NotFound("No.")))["id"] is None


def test_every_command_of_the_specification_is_known() -> None:
    """And beside them only ours."""
    methods = {get_args(get_type_hints(each)["method"])[0] for each in get_args(spec.CommandData)}
    assert COMMANDS - methods == {"run.cancel", "auth", "auth.refresh", "ping"}
    assert methods <= COMMANDS


def test_the_seq_of_an_event_is_in_its_id() -> None:
    """An id of another thread, or none at all, is refused."""
    assert seq_of("a:b:17", "a:b") == 17
    for id in ("a:17", "a:b:", "a:b:-1", "a:b:1.5", "17", "", "a:b:9007199254740993", "a:b:²"):
        with pytest.raises(InvalidInput, match="There is no event"):
            seq_of(id, "a:b")


def test_refusals_use_the_words_of_the_specification() -> None:
    """Where it has one."""
    known = {word for each in get_args(spec.ErrorCode) for word in get_args(each)}
    for word in ("not_supported", "unknown_command", "no_such_subscription", "no_such_namespace"):
        assert word in known
        assert code_of(Refused(word, "A sentence.")) == word
    assert InvalidInput.code in known


def test_notices_are_events_without_an_id() -> None:
    """Nobody can resume from them."""
    assert json.loads(notice("drain", {"reconnect_after_ms": 5})) == {
        "type": "event",
        "method": "drain",
        "params": {"namespace": [], "timestamp": 0, "data": {"reconnect_after_ms": 5}},
    }


@pytest.mark.parametrize(
    ("given", "method", "namespace", "data", "wanted"),
    [
        ({"channels": ["values"]}, "values", ("a", "b"), {}, True),
        ({"channels": ["values"]}, "updates", (), {}, False),
        ({"channels": ["values"], "depth": 0}, "values", (), {}, True),
        ({"channels": ["values"], "depth": 0}, "values", ("a",), {}, False),
        ({"channels": ["values"], "depth": 1}, "values", ("a",), {}, True),
        ({"channels": ["values"], "namespaces": [["a"]]}, "values", (), {}, False),
        ({"channels": ["values"], "namespaces": [["a"]]}, "values", ("a:1", "b"), {}, True),
        ({"channels": ["values"], "namespaces": [["a:1"]]}, "values", ("a:2",), {}, False),
        ({"channels": ["values"], "namespaces": [["a"]], "depth": 0}, "values", ("a", "b"), {}, False),
        ({"channels": ["values"], "namespaces": []}, "values", (), {}, True),
        ({"channels": ["custom"]}, "custom", (), {"name": "x"}, True),
        ({"channels": ["custom:x"]}, "custom", (), {"name": "x"}, True),
        ({"channels": ["custom:x"]}, "custom", (), {"name": "y"}, False),
        ({"channels": ["input"]}, "input.requested", (), {}, True),
        ({"channels": ["lifecycle"]}, "input.requested", (), {}, False),
    ],
)
def test_a_subscription_is_for_its_channels_and_namespaces(
    given: dict[str, Any], method: str, namespace: tuple[str, ...], data: dict[str, Any], *, wanted: bool
) -> None:
    """Prefixes match whole segments, the part after ":" may be left out; depth counts from the prefix."""
    subscription = Subscription.of("s1", "t", read_subscribe(given), 0)
    assert subscription.matches(Event("t", 1, method, data, "r", 0, namespace)) is wanted
