"""From events to the parts of a run stream, as clients put the parts together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk

from hub.routes.stream_modes import StreamModes
from runtime.records import Run, RunStatus
from runtime.runs.channel import Draft
from runtime.runs.messages import MessageWriter
from runtime.runs.replay import with_starts
from runtime.types import Delta, Event, ToolCall

RUN = Run("r", "t", "default", "good", "v", RunStatus.RUNNING, {}, 0.0, 0.0)


@dataclass
class Log:
    """What a message writes to."""

    events: list[Event] = field(default_factory=list)
    seq: int = 0

    def open_message(self, run: str, message: str, namespace: tuple[str, ...] = ()) -> None:
        """Nothing is lost here."""

    def show_after(self, written: None) -> None:
        """Everything is on disk at once."""

    def live(self, run: str, method: str, data: dict[str, Any], namespace: tuple[str, ...] = ()) -> int:
        """Keep a live event."""
        self.seq += 1
        self.events.append(Event("t", self.seq, method, data, run, 0, namespace))
        return self.seq

    def durable(self, run: str, drafts: Sequence[Draft], spare: int = 0) -> None:
        """Keep durable events."""
        self.seq += spare
        for draft in drafts:
            self.seq += 1
            self.events.append(Event("t", self.seq, draft.method, draft.data, run, 0, (), self.seq))


def told() -> list[Event]:
    """Return the events of a message that says something and calls a tool."""
    log = Log()
    message = MessageWriter(log, "r", "m", {})  # type: ignore[arg-type]
    for word in ("Let ", "me ", "look."):
        message.push(Delta(text=word))
    message.push(Delta(tool_call=ToolCall(0, "c1", "look", '{"place":')))
    message.push(Delta(tool_call=ToolCall(0, "", "", ' "pier"}')))
    message.finish()
    return log.events


def added_up(events: Iterable[Event], before: AIMessageChunk | None = None) -> AIMessageChunk | None:
    """Return what a client has that adds up the chunks of one message."""
    modes, found = StreamModes(RUN, ["messages-tuple"]), before
    for event in events:
        for _, (data, _) in modes.parts(event):
            if data["type"] == "remove":
                found = None
                continue
            chunk = AIMessageChunk(**{**data, "type": "AIMessageChunk"})
            found = chunk if found is None else found + chunk
    return found


def test_the_chunks_of_a_message_add_up_to_its_text_and_its_tool_calls() -> None:
    found = added_up(told())
    assert found is not None
    assert found.content == "Let me look."
    assert [(call["name"], call["args"], call["id"]) for call in found.tool_calls] == [
        ("look", {"place": "pier"}, "c1")
    ]


def test_a_message_of_which_deltas_are_missing_takes_the_place_of_what_was_seen() -> None:
    events = told()
    half = added_up(events[:4])
    assert half is not None
    assert half.content == "Let me "
    found = added_up(with_starts([event for event in events if event.durable], 0), half)
    assert found is not None
    assert found.content == "Let me look."
    assert [(call["name"], call["args"]) for call in found.tool_calls] == [("look", {"place": "pier"})]
