"""Standard tests for subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown
from runtime.types import Event

_AT = 1_700_000_000_000


class SubscriberTests(CallTests):
    """Examples are events."""

    kind = "subscriber"
    stateless = False

    def given(self) -> Sequence[Any]:
        """Return events of a run, and one of a kind that is not known yet."""
        data: list[tuple[str, dict[str, Any]]] = [
            ("lifecycle", {"event": "running", "graph": "ask", "attempt": 1}),
            (
                "messages",
                {"event": "message-finish", "id": "m1", "content": []},
            ),
            ("updates", {"values": {"answer": "Hi"}}),
            ("custom", {"name": "progress", "payload": None}),
            ("lifecycle", {"event": "completed", "graph": "ask"}),
            ("something.new", {}),
        ]
        return [
            Event("thread", number, method, values, "run", _AT + number, position=number)
            for number, (method, values) in enumerate(data, start=1)
        ]

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Tell of one event."""
        return await subject.call("on_event", example, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """Nobody waits for an answer."""
        assert answer is None, f"on_event gave {shown(answer)}, which nobody reads; return nothing"

    def test_an_event_may_come_again(self) -> None:
        """Events come at least once: after a crash the last ones come again."""

        async def ask(subject: Subject) -> None:
            events = self._examples(subject.value)
            for event in [*events, *events, events[0]]:
                await self.exercise(subject, event, self.context(subject))

        self.play(ask)
