"""The session, one thing at a time: subscriptions, replays, merging, slow readers, floods."""

from __future__ import annotations

import pytest

from hub.frames import Frame, messages
from hub.protocol import MAX_FRAME, Command, Reconnect, Refused
from hub.session import Beginning, Bounds, Session
from hub.subscriptions import Position
from runtime.errors import InvalidInput
from runtime.runs.channel import Draft
from runtime.runs.messages import MessageWriter
from runtime.types import Delta, Event
from tests.hub.session_log import RUN, Log, pump, said, seqs, session, subscribe


def test_two_subscriptions_are_one_stream_in_which_each_event_comes_once() -> None:
    """Overlapping subscriptions that begin together give one ordered stream."""
    log, to = Log("t1"), session()
    log.durable(RUN, [Draft("lifecycle", {"event": "started"})])
    log.live(RUN, "values", {"a": 1})
    log.durable(RUN, [Draft("updates", {"node": "a"}), Draft("lifecycle", {"event": "completed"})])
    subscribe(to, log, ["lifecycle", "updates"])
    subscribe(to, log, ["lifecycle", "values"], id=2)
    pump(to, log)
    assert seqs(said(to)) == [1, 2, 3, 4]


def test_a_later_subscription_is_sent_all_its_events_and_only_these_again() -> None:
    """Clients filter for each subscription by itself; what is none of its own is not sent again."""
    log, to = Log("t1"), session()
    log.durable(RUN, [Draft("lifecycle", {"event": "started"}), Draft("updates", {"node": "a"})])
    log.durable(RUN, [Draft("custom", {"name": "a", "payload": 1})])
    subscribe(to, log, ["lifecycle", "custom"])
    pump(to, log)
    assert seqs(said(to)) == [1, 3]
    subscribe(to, log, ["lifecycle", "updates"], id=2)
    pump(to, log)
    log.durable(RUN, [Draft("lifecycle", {"event": "completed"})])
    pump(to, log)
    assert seqs(said(to)) == [1, 2, 4]


def test_a_subscription_in_the_middle_of_a_message_gets_the_message_from_its_start() -> None:
    """Also when another subscription was sent that start."""
    log, to = Log("t1"), session()
    subscribe(to, log, ["messages", "lifecycle"])
    writer = MessageWriter(log, RUN, "m1", {})  # type: ignore[arg-type]
    writer.push(Delta(text="a"))
    pump(to, log)
    said(to)
    subscribe(to, log, ["messages"], id=2)
    writer.finish()
    pump(to, log)
    assert [frame["params"]["data"].get("event") for frame in said(to) if frame["type"] == "event"] == [
        *("message-start", "content-block-start", "content-block-delta"),
        *("content-block-finish", "message-finish"),
    ]


def test_the_first_delta_leaves_at_once_and_the_next_ones_together() -> None:
    """Deltas that follow closely are one text-delta with the last one's seq."""
    log, to = Log("t1"), session()
    subscribe(to, log, ["messages"])
    writer = MessageWriter(log, RUN, "m1", {})  # type: ignore[arg-type]
    writer.push(Delta(text="a"))
    pump(to, log)
    assert [frame["params"]["data"]["event"] for frame in said(to)[1:]] == [
        *("message-start", "content-block-start", "content-block-delta")
    ]
    for text in "bcd":
        log.now += 2
        writer.push(Delta(text=text))
    pump(to, log)
    assert to.release(log.now) == 11
    assert said(to) == []
    assert to.release(log.now + 11) is None
    (frame,) = said(to)
    assert (frame["seq"], frame["params"]["data"]["delta"]["text"]) == (log.seq, "bcd")


def test_a_slow_stream_is_never_held() -> None:
    """A delta that comes long after the one before leaves at once."""
    log, to = Log("t1"), session()
    subscribe(to, log, ["messages"])
    writer = MessageWriter(log, RUN, "m1", {})  # type: ignore[arg-type]
    for text in "abc":
        writer.push(Delta(text=text))
        pump(to, log)
        assert said(to)[-1]["params"]["data"]["delta"]["text"] == text
        log.now += 20


def test_held_deltas_leave_before_whatever_follows_them() -> None:
    """The end of a block takes the held text along, in order."""
    log, to = Log("t1"), session()
    subscribe(to, log, ["messages"])
    writer = MessageWriter(log, RUN, "m1", {})  # type: ignore[arg-type]
    for text in "abc":
        writer.push(Delta(text=text))
    writer.finish()
    pump(to, log)
    frames = said(to)
    assert seqs(frames) == sorted(seqs(frames))
    events = [frame["params"]["data"] for frame in frames if "event_id" in frame]
    assert [data["delta"]["text"] for data in events if "delta" in data] == ["a", "bc"]


def test_merging_is_the_same_in_every_replay() -> None:
    """Two viewers, one from the start and one in the middle, get the same text under the same event id."""
    log, early, late = Log("t1"), session(), session()
    subscribe(early, log, ["messages"])
    writer, texts, middle = MessageWriter(log, RUN, "m1", {}), [], 0  # type: ignore[arg-type]
    for number in range(200):
        log.now += (1, 3, 7, 40)[number % 4]
        writer.push(Delta(text=f"{number} "))
        pump(early, log)
        early.release(log.now)
        texts += said(early)
        if number == 100:
            middle = seqs(texts)[-1]
            subscribe(late, log, ["messages"], since=middle)
    writer.finish()
    pump(early, log)
    pump(late, log)
    first = [frame for frame in [*texts, *said(early)] if frame.get("seq", 0) > middle]
    assert first == [frame for frame in said(late) if "seq" in frame]


def test_a_reader_who_missed_too_much_is_told_so_and_gets_the_durable_events() -> None:
    """Live events are skipped, the range is said, and each text comes whole after its start."""
    log, to = Log("t1"), session(late=1.0)
    subscribe(to, log, ["messages", "values"])
    pump(to, log)
    said(to)
    writer = MessageWriter(log, RUN, "m1", {})  # type: ignore[arg-type]
    for number in range(5):
        writer.push(Delta(text=f"{number} "))
        log.live(RUN, "values", {"n": number})
    writer.finish()
    log.now += 2000
    pump(to, log, waited=True)
    frames = said(to)
    assert frames[0]["method"] == "lagged"
    assert frames[0]["params"]["data"] == {"from": 1, "to": log.seq}
    data = [frame["params"]["data"] for frame in frames[1:]]
    assert {"n": 4} in data
    assert [each["event"] for each in data if "event" in each] == [
        *("message-start", "content-block-start", "content-block-finish", "message-finish")
    ]
    assert seqs(frames) == sorted(set(seqs(frames)))


def test_a_new_subscriber_is_spared_nothing_that_another_one_was_too_slow_for() -> None:
    """What was skipped is the past of a subscription that comes later, and the past is shown whole."""
    log, to = Log("t1"), session(late=1.0)
    subscribe(to, log, ["messages"])
    log.live(RUN, "values", {"n": 0})
    pump(to, log)
    MessageWriter(log, RUN, "m1", {}).push(Delta(text="a"))  # type: ignore[arg-type]
    log.now += 2000
    pump(to, log, waited=True)
    said(to)
    subscribe(to, log, ["values"], id=2)
    pump(to, log)
    assert seqs(said(to)) == [1]


def test_a_reader_in_the_middle_of_a_message_gets_no_second_start() -> None:
    """A message whose start was seen goes on with its whole text: a second start would be another message."""
    log, to = Log("t1"), session(late=1.0)
    subscribe(to, log, ["messages"])
    writer = MessageWriter(log, RUN, "m1", {})  # type: ignore[arg-type]
    writer.push(Delta(text="a"))
    pump(to, log)
    said(to)
    writer.push(Delta(text="b"))
    writer.finish()
    log.now += 2000
    pump(to, log, waited=True)
    assert [frame["params"]["data"].get("event") for frame in said(to)] == [
        *(None, "content-block-finish", "message-finish")
    ]


def test_an_event_that_does_not_fit_into_a_frame_is_replaced_by_one_that_says_so() -> None:
    """Its seq and id stay, so that a client's place moves on."""
    log, to = Log("t1"), session()
    log.durable(RUN, [Draft("updates", {"text": "x" * MAX_FRAME})])
    subscribe(to, log, ["updates"])
    pump(to, log)
    (frame,) = said(to)[1:]
    assert (frame["method"], frame["seq"], frame["event_id"]) == ("too_large", 1, "t1:1")
    assert frame["params"]["data"]["method"] == "updates"
    assert "HTTP" in frame["params"]["data"]["message"]


def test_a_reply_that_does_not_fit_is_an_error() -> None:
    """The client reads it over HTTP instead."""
    to = session()
    to.succeed(Command(7, "state.get", {}, "t1"), {"values": "x" * MAX_FRAME})
    (reply,) = said(to)
    assert (reply["type"], reply["error"], reply["id"]) == ("error", "too_large", 7)


def test_a_viewer_may_stand_where_the_buffer_begins() -> None:
    """What it has and what the buffer lost end at the same event: nothing is missing."""
    log, to = Log("t1"), session()
    log.durable(RUN, [Draft("updates", {"node": "a"}), Draft("updates", {"node": "b"})])
    log.floor = 1
    subscribe(to, log, ["updates", "messages"], since=1)
    pump(to, log)
    assert [frame.get("seq") for frame in said(to)] == [None, 2]


def test_coalesced_events_are_one_array_and_replies_stay_alone() -> None:
    """Events that follow each other travel in one message, in their order, none over the limit."""
    event = Event("t", 1, "values", {}, RUN, 0)
    reply, small = Frame(b'{"id":1}'), Frame(b'{"a":1}', event)
    big = Frame(b'"%b"' % (b"x" * (MAX_FRAME - 20)), event)
    apart = [reply, small, small, reply, small, big]
    assert list(messages(apart, coalesce=True)) == [
        *(reply.data, b'[{"a":1},{"a":1}]', reply.data),
        b"[%b,%b]" % (small.data, big.data),
    ]
    assert list(messages([small, small, small, big], coalesce=True)) == [
        *(b'[{"a":1},{"a":1},{"a":1}]', big.data)
    ]
    assert list(messages(apart, coalesce=False)) == [frame.data for frame in apart]


def test_replays_wait_for_further_subscriptions_but_not_for_long() -> None:
    """Something to replay: 10 ms after the first subscription at most; news: 2 ms; nothing: at once."""
    log, to = Log("t1"), Session(Bounds(), thread="t1")
    subscribe(to, log, ["lifecycle"], now=5.0)
    assert to.feeds["t1"].ready_at is None
    log.durable(RUN, [Draft("lifecycle", {"event": "started"})])
    other = Session(Bounds(), thread="t1")
    subscribe(other, log, ["lifecycle"], now=5.0)
    assert other.feeds["t1"].ready_at == pytest.approx(5.010)
    subscribe(other, log, ["lifecycle"], id=2, now=5.008)
    assert other.feeds["t1"].ready_at == pytest.approx(5.010)


def ping(id: int) -> bytes:
    return b'{"id":%d,"method":"ping"}' % id


def test_more_commands_than_allowed_are_told_when_to_come_again() -> None:
    """The bucket refuses with a time, whatever is sent, and refills."""
    to = Session(Bounds(commands_per_second=2), thread="t1")
    assert to.read(ping(0), 0.0)
    assert to.read(b"nonsense", 0.0) is None
    assert to.read(ping(2), 0.0) is None
    *_, refused = said(to)
    assert (refused["error"], refused["id"], refused["retryable"]) == ("rate_limited", 2, True)
    assert refused["retry_after_ms"] == 500
    assert to.read(ping(3), 0.5)


def test_who_goes_on_sending_while_being_refused_is_noticed() -> None:
    """A burst is forgiven; ten seconds' worth of commands in vain are not."""
    to = Session(Bounds(commands_per_second=2), thread="t1")
    for id in range(10):
        to.read(ping(id), 0.0)
    assert not to.flooded
    for id in range(20):
        to.read(ping(id), 0.1)
    assert to.flooded


def test_a_subscription_is_restored_on_another_connection() -> None:
    """Its id says what it is for; it goes on after the event that its client has seen last."""
    log, first, second = Log("t1"), session(), session()
    log.durable(RUN, [Draft("updates", {"node": "a"}), Draft("lifecycle", {"event": "started"})])
    channels, namespaces = ["updates", "custom:x"], [["a", "b"], []]
    made = subscribe(first, log, channels, namespaces=namespaces, depth=2, coalesce=True)
    log.durable(RUN, [Draft("updates", {"node": "b"}), Draft("custom", {"name": "y"})])
    given = Reconnect("r1", "t1:1", [made.id])
    command = Command(1, "subscription.reconnect", {}, "t1")
    (restored,) = second.reconnect(command, given, 1)
    assert (restored.id, restored.channels, restored.namespaces) == (made.id, made.channels, made.namespaces)
    assert (restored.depth, restored.start, restored.resumed) == (2, 1, True)
    assert second.coalesce
    position = Position("e2", log.seq, 0)
    second.begin(command, [restored], {"restored": True}, position, Beginning(1), 0.0)
    pump(second, log)
    frames = said(second)
    assert frames[0]["result"] == {"restored": True}
    assert seqs(frames) == [3]


@pytest.mark.parametrize("id", ["", "s1", "s1.", "s1.e30", "x1.W10", "s1.WzFd", "s1." + "A" * 9999, "s1.é"])
def test_an_id_that_nobody_was_given_is_no_subscription(id: str) -> None:
    """All that are named are restored, or none."""
    log, to = Log("t1"), session()
    made = subscribe(session(), log, ["updates"])
    command = Command(1, "subscription.reconnect", {}, "t1")
    with pytest.raises(Refused, match="no subscription"):
        to.reconnect(command, Reconnect("r1", None, [made.id, id]), 0)
    assert len(to.reconnect(command, Reconnect("r1", None, [made.id]), 0)) == 1
    with pytest.raises(InvalidInput, match="is active"):
        to.reconnect(command, Reconnect("r1", None, [made.id]), 0)


def test_what_a_thread_held_is_forgotten_with_its_last_subscription() -> None:
    """A client may look at one thread after the other for as long as it likes."""
    to = Session(Bounds())
    for number in range(3):
        log = Log(f"t{number}")
        made = subscribe(to, log, ["updates"])
        params = {"subscription_id": made.id}
        assert to.admit(Command(2, "subscription.unsubscribe", params)) is None
    assert not to.feeds
