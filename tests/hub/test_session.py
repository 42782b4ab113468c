"""The session as a state machine: whatever clients, threads and slow readers do, its promises hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.frames import Frame, messages
from hub.protocol import ANYWHERE, MAX_FRAME, Command, Reconnect, Refused, read_subscribe
from hub.session import Beginning, Bounds, Session
from hub.subscriptions import Position, Subscription
from runtime.errors import Conflict, HubbubError, InvalidInput
from runtime.runs.channel import Batch, Draft
from runtime.runs.messages import MessageWriter
from runtime.runs.replay import with_starts
from runtime.types import Delta, Event

RUN = "r1"


@dataclass
class Log:
    """A thread whose events can be read like a channel's; `floor` is where its buffer begins."""

    thread: str
    now: int = 1_000_000
    floor: int = 0
    seq: int = 0
    position: int = 0
    events: list[Event] = field(default_factory=list)

    def live(self, run: str, method: str, data: dict[str, Any], namespace: tuple[str, ...] = ()) -> int:
        self.seq += 1
        self.events.append(Event(self.thread, self.seq, method, data, run, self.now, namespace))
        return self.seq

    def open_message(self, run: str, message: str, namespace: tuple[str, ...] = ()) -> None:
        """Nothing survives this log."""

    def show_after(self, written: None) -> None:
        """Everything is on disk at once."""

    def durable(self, run: str, drafts: Sequence[Draft], spare: int = 0) -> None:
        self.seq += spare
        for draft in drafts:
            self.seq, self.position = self.seq + 1, self.position + 1
            event = (self.thread, self.seq, draft.method, draft.data, run, self.now, draft.namespace)
            self.events.append(Event(*event, self.position))

    def read(self, after: int, limit: int = 512) -> Batch:
        if after >= self.floor:
            return Batch([event for event in self.events if event.seq > after][:limit])
        older = with_starts(
            (event for event in self.events if event.durable and event.seq <= self.floor), after
        )
        return Batch(older + self.read(self.floor, limit).events, (after + 1, self.floor))


def session(**bounds: Any) -> Session:
    return Session(Bounds(**{"commands_per_second": 1e6, "idle": 0.0, "gather": 0.0, **bounds}), thread="t1")


def subscribe(
    to: Session, log: Log, channels: Sequence[str], *, id: int = 1, now: float = 0.0, **params: Any
) -> Subscription:
    """Subscribe as the shell does; returns the subscription."""
    command = Command(id, "subscription.subscribe", {"channels": list(channels), **params}, log.thread)
    position = Position("e1", log.seq, 0)
    subscription, recovered = to.subscribe(command, read_subscribe(command.params), position)
    count = sum(map(subscription.matches, log.read(subscription.start).events))
    result = {"subscription_id": subscription.id, "replayed_events": count}
    to.begin(command, [subscription], result, position, Beginning(count, recovered), now)
    return subscription


def pump(to: Session, log: Log, *, waited: bool = False) -> None:
    """Give a session all that its thread has, as the shell does."""
    feed = to.feeds[log.thread]
    whole = False
    while not whole and not to.full:
        batch = log.read(feed.after)
        if waited:
            to.missed(feed, batch.events, log.now)
        whole = to.events(feed, batch.events, batch.gap) and not batch.gap


def said(to: Session) -> list[dict[str, Any]]:
    """Return what a session has to say."""
    return [json.loads(frame.data) for frame in to.frames()]


def seqs(frames: Sequence[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames if "event_id" in frame]


# --------------------------------------------------------------------------- one thing at a time


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


# --------------------------------------------------------------------------- everything at once

_CHANNELS = ["messages", "values", "updates", "lifecycle", "custom", "custom:x", "tasks"]
_SOME = st.lists(st.sampled_from(_CHANNELS), min_size=1, max_size=4)
_PIECE = re.compile(r"<(\d+)>")


class SessionMachine(RuleBasedStateMachine):
    """A client, a thread and a writer that do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log("t1")
        self.session = self._connect()
        self.now = 0.0
        self.ids = 0
        self.asked: set[int] = set()
        self.written: list[dict[str, Any]] = []
        self.active: dict[str, Subscription] = {}
        self.ended = self.seen = 0
        self.messages = 0
        self.writer: MessageWriter | None = None
        self.gaps: list[tuple[int, int]] = []
        self.ending = self.trimming = True

    def _connect(self) -> Session:
        bounds = Bounds(subscriptions=3, commands_per_second=1e9, behind=2000, late=1.0)
        return Session(bounds, thread="t1")

    @initialize(ending=st.booleans(), trimming=st.booleans(), channels=_SOME)
    def begin(self, ending: bool, trimming: bool, channels: list[str]) -> None:
        """Some clients never unsubscribe, and some buffers never run over: then more can be promised."""
        self.ending, self.trimming = ending, trimming
        self.subscribe(channels, None, None)

    # ------------------------------------------------------------- the thread

    @rule(pieces=st.integers(1, 8), apart=st.sampled_from([0, 1, 5, 20]))
    def write_text(self, pieces: int, apart: int) -> None:
        if self.writer is None:
            self.messages += 1
            self.writer = MessageWriter(self.log, RUN, f"m{self.messages}", {})  # type: ignore[arg-type]
            self.writer.push(Delta(text="|"))
        for _ in range(pieces):
            self.log.now += apart
            self.writer.push(Delta(text=f"<{self.log.seq + 1}>"))

    @precondition(lambda self: self.writer is not None)
    @rule(broken=st.booleans())
    def end_message(self, broken: bool) -> None:
        assert self.writer
        if broken:
            self.writer.fail("restarted", "The step runs again.")
        else:
            self.writer.finish()
        self.writer = None

    @rule(method=st.sampled_from(["lifecycle", "updates", "custom"]), size=st.sampled_from([1, 1, 900]))
    def durable(self, method: str, size: int) -> None:
        self.log.durable(RUN, [Draft(method, {"event": "running", "name": "x", "text": "x" * size})])

    @rule(method=st.sampled_from(["values", "tasks"]))
    def live(self, method: str) -> None:
        self.log.live(RUN, method, {"text": "x" * 50})

    @precondition(lambda self: self.trimming)
    @rule(share=st.floats(0, 1))
    def trim(self, share: float) -> None:
        self.log.floor = max(self.log.floor, int(self.log.seq * share))

    @rule(ms=st.sampled_from([1, 10, 20, 3000]))
    def wait(self, ms: int) -> None:
        self.log.now += ms
        self.now += ms / 1000

    # ------------------------------------------------------------- the client

    def _id(self) -> int:
        self.ids += 1
        self.asked.add(self.ids)
        return self.ids

    @rule(
        channels=_SOME,
        since=st.one_of(st.none(), st.floats(0, 1.3)),
        depth=st.sampled_from([None, 0]),
    )
    def subscribe(self, channels: list[str], since: float | None, depth: int | None) -> None:
        params: dict[str, Any] = {"channels": channels, "depth": depth}
        if since is not None:
            params["since"] = int(self.log.seq * since)
        command = Command(self._id(), "subscription.subscribe", params)
        admitted = self.session.admit(command)
        assert admitted
        position = Position("e1", self.log.seq, 0)
        try:
            subscription, _ = self.session.subscribe(admitted, read_subscribe(command.params), position)
        except HubbubError as error:
            assert len(self.active) == 3 or params.get("since", 0) > self.log.seq
            self.session.fail(admitted, error)
            return
        count = sum(map(subscription.matches, self.log.read(subscription.start).events))
        result = {"subscription_id": subscription.id, "replayed_events": count}
        self.session.begin(admitted, [subscription], result, position, Beginning(count), self.now)
        self.active[subscription.id] = subscription
        if subscription.start < self.seen:
            self.ended += 1  # the hub cannot know what was seen on an earlier connection

    @precondition(lambda self: self.ending and self.active)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.active)))
        del self.active[id]
        self.ended += 1
        params = {"subscription_id": id}
        self.session.admit(Command(self._id(), "subscription.unsubscribe", params))

    @precondition(lambda self: any("event_id" in frame for frame in self.written))
    @rule(lost=st.integers(0, 9), late=st.integers(0, 2))
    def lose_the_connection(self, lost: int, late: int) -> None:
        """The last frames do not arrive, and more happens; the client comes back and restores its own."""
        self.written = self.written[: max(0, len(self.written) - lost)]
        for _ in range(late):
            self.durable("updates", 1)
        self.asked = {frame["id"] for frame in self.written if frame["type"] != "event"} - {None}
        self.active = {id: each for id, each in self.active.items() if self._goes_on(id)}
        self.session = self._connect()
        self.seen = max((frame["seq"] for frame in self.written if "event_id" in frame), default=0)
        if not self.active:
            return
        last = next(frame["seq"] for frame in reversed(self.written) if "event_id" in frame)
        if last < self.seen:
            self.ended += 1  # it was in the middle of going back for a later subscription
        command = Command(self._id(), "subscription.reconnect", {})
        admitted = self.session.admit(command)
        assert admitted
        given = Reconnect(RUN, f"t1:{last}", sorted(self.active))
        restored = self.session.reconnect(admitted, given, last)
        assert {each.id for each in restored} == self.active.keys()
        events = self.log.read(last).events
        count = sum(any(each.matches(event) for each in restored) for event in events)
        position = Position("e2", self.log.seq, 0)
        self.session.begin(admitted, restored, {"restored": True}, position, Beginning(count), self.now)

    def _goes_on(self, id: str) -> bool:
        """Whether the client knows this subscription, and how far it has come with it."""
        for number, frame in enumerate(self.written):
            if frame["type"] == "success" and frame["result"].get("subscription_id") == id:
                return any("event_id" in later for later in self.written[number:])
        return False

    @rule(
        method=st.sampled_from(["ping", "nonsense", "subscription.unsubscribe"]),
        raw=st.sampled_from([b"", b"{", b"[]", b"1", b'{"id":-1}', b'{"id":true,"method":"ping"}', b"\xff"]),
    )
    def say_what_is_answered_at_once(self, method: str, raw: bytes) -> None:
        assert self.session.admit(Command(self._id(), method)) is None
        assert self.session.read(raw, self.now) is None

    @rule(method=st.sampled_from([*sorted(ANYWHERE - {"ping"}), "auth.refresh"]), works=st.booleans())
    def ask(self, method: str, works: bool) -> None:
        """Ask for something that the shell carries out, or in vain."""
        command = self.session.admit(Command(self._id(), method))
        assert command
        assert command.thread == "t1"
        if works:
            self.session.succeed(command, {})
        else:
            self.session.fail(command, Conflict("Somebody was faster; try again."))

    # ------------------------------------------------------------- the shell

    @rule(waited=st.booleans())
    def deliver_and_write(self, waited: bool) -> None:
        self.deliver(waited)
        self.write()

    @rule(waited=st.booleans())
    def deliver(self, waited: bool) -> None:
        feed = self.session.feeds.get("t1")
        if feed is None or (feed.ready_at is not None and feed.ready_at > self.now):
            return
        feed.ready_at = None
        batch = self.log.read(feed.after)
        if batch.gap:
            self.gaps.append(batch.gap)
        if waited:
            self.session.missed(feed, batch.events, self.log.now)
        self.session.events(feed, batch.events, batch.gap)
        self.session.release(self.log.now)

    @rule()
    def write(self) -> None:
        for frame in self.session.frames():
            assert len(frame.data) <= MAX_FRAME
            shown = json.loads(frame.data)
            if applied := shown.get("meta", {}).get("applied_through_seq"):
                assert applied <= max(each.get("seq", 0) for each in self.written)
            self.written.append(shown)

    # ------------------------------------------------------------- what holds

    @invariant()
    def every_reply_has_its_command(self) -> None:
        replies = Counter(frame["id"] for frame in self.written if frame["type"] != "event")
        replies.pop(None, None)
        assert all(count == 1 for count in replies.values())
        assert replies.keys() <= self.asked

    @invariant()
    def seqs_grow_between_subscriptions(self) -> None:
        last = 0
        for frame in self.written:
            if frame["type"] == "success" and frame["result"].keys() & {"subscription_id", "restored"}:
                last = 0
            elif "event_id" in frame:
                assert frame["seq"] > last
                last = frame["seq"]

    @invariant()
    def subscriptions_are_bounded(self) -> None:
        assert len(self.active) <= 3

    def teardown(self) -> None:
        """Let everything be delivered, then look for what is missing or doubled."""
        self.now += 1
        for _ in range(5):
            self.deliver(waited=False)
        self.log.now += 100
        self.session.release(self.log.now)
        self.write()
        self.every_reply_has_its_command()
        self.seqs_grow_between_subscriptions()
        assert {frame["id"] for frame in self.written if frame["type"] != "event"} >= self.asked
        self._nothing_durable_is_lost_or_doubled()
        self._no_live_event_is_missing_unsaid()

    def _wanted(self, event: Event) -> int:
        """Count the subscriptions that an event is for: it is sent for each, for several once if it can."""
        return sum(event.seq > each.start and each.matches(event) for each in self.active.values())

    def _nothing_durable_is_lost_or_doubled(self) -> None:
        shown = Counter(frame["seq"] for frame in self.written if "event_id" in frame)
        for event in self.log.events:
            if event.durable and self._wanted(event):
                assert shown[event.seq] >= 1, event
            if not self.ended:
                assert shown[event.seq] <= self._wanted(event), event

    def _no_live_event_is_missing_unsaid(self) -> None:
        excused = [
            tuple(each["params"]["data"].values()) for each in self.written if each.get("method") == "lagged"
        ]
        excused += self.gaps
        pieces = Counter(
            int(piece)
            for frame in self.written
            if "event_id" in frame and "delta" in frame["params"]["data"]
            for piece in _PIECE.findall(frame["params"]["data"]["delta"]["text"])
        )
        shown = {frame["seq"] for frame in self.written if "event_id" in frame}
        for event in self.log.events:
            if event.durable or not self._wanted(event) or any(a <= event.seq <= b for a, b in excused):
                continue
            text = event.data.get("delta", {}).get("text", "")
            if _PIECE.fullmatch(text):
                assert pieces[event.seq] >= 1, event
            else:
                assert event.seq in shown, event
            if not self.ended:
                assert pieces[event.seq] <= self._wanted(event), event


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
