"""The session as a state machine: whatever clients, threads and slow readers do, its promises hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.protocol import ANYWHERE, MAX_FRAME, Command, Reconnect, read_subscribe
from hub.session import Beginning, Bounds, Session
from hub.subscriptions import Position, Subscription
from runtime.errors import Conflict, HubbubError
from runtime.runs.channel import Draft
from runtime.runs.messages import MessageWriter
from runtime.types import Delta, Event
from tests.hub.session_log import RUN, Log

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
