"""From the events of a thread's channel to the parts of the LangGraph SDK's run streams.  No I/O.

==================  ================================================================================
``values``          the whole state after each step, and what it waits for (``__interrupt__``)
``updates``         ``{step: what it changed}``, ``{"__interrupt__": what it waits for}``
``messages-tuple``  ``messages``: [chunk, metadata] for each delta
``messages``        ``messages/metadata``, ``messages/partial`` (the text so far), ``messages/complete``
``custom``          what a step sent
``tasks``           steps as they begin and end
``tools``           tools as they are called by graphs written in Python
``lifecycle``       the run and the graphs inside as they begin and end
``events``          LangChain's event stream: chains, chat models, custom events
==================  ================================================================================

A message that was broken off is taken back with one of type "remove".  So is one whose deltas were not
all seen (the reader was slow, or it is a replay from the log), and then it is sent as a whole, type "ai"
instead of "AIMessageChunk": clients that add up what has one id would have its beginning twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from runtime.records import Run
from runtime.types import Event, JsonObject

StreamMode = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "tasks", "tools", "lifecycle", "events"
]
Part = tuple[str, Any]
"""The name of a part, and its data: JSON, or bytes that are JSON already."""

LATER_MODES: Final = ("checkpoints", "debug")
"""Modes of the SDK that this hub does not know: they hold whole states, which the log does not keep."""


@dataclass(slots=True)
class _Message:
    """What was seen of one message so far."""

    id: str
    about: JsonObject
    text: str = ""
    reasoning: str = ""
    calls: list[JsonObject] = field(default_factory=list)
    invalid_calls: list[JsonObject] = field(default_factory=list)
    whole: bool = True
    """Whether every delta of the blocks that have ended was seen."""
    block: str = ""
    usage: JsonObject | None = None


class StreamModes:
    """Turns the events of one run into parts, in order; each event gives the same parts in every replay."""

    def __init__(self, run: Run, modes: Iterable[StreamMode], *, subgraphs: bool = False) -> None:
        self._run, self._modes, self._subgraphs = run, frozenset(modes), subgraphs
        self._messages: dict[str, _Message] = {}
        self._values: JsonObject | None = None
        self._asked: list[JsonObject] = []

    def parts(self, event: Event) -> list[Part]:
        """Return the parts that an event gives; most give none or one."""
        if event.method == "input.requested":
            self._asked.append(_question(event.data))
            return []
        if event.namespace and not self._subgraphs:
            return []
        found = list(self._parts(event))
        if event.namespace:
            where = "|".join(event.namespace)
            found = [(f"{name}|{where}", data) for name, data in found]
        return found

    def _parts(self, event: Event) -> Iterator[Part]:
        modes, data = self._modes, event.data
        match event.method:
            case "messages":
                yield from self._message(data)
            case "values":
                self._values = self._values if event.namespace else data
                if "values" in modes:
                    yield "values", event.payload
            case "updates":
                update = {data["node"]: data["values"]}
                if "updates" in modes:
                    yield "updates", update
                if "events" in modes:
                    yield self._event("on_chain_stream", self._run.graph, {"chunk": update})
            case "custom":
                yield from self._custom(data)
            case "tasks" | "tools" as mode if mode in modes:
                yield mode, event.payload
            case "lifecycle":
                yield from self._lifecycle(event)

    def _lifecycle(self, event: Event) -> Iterator[Part]:
        if "lifecycle" in self._modes:
            yield "lifecycle", event.payload
        if event.namespace:
            return
        if event.data["event"] == "interrupted":
            yield from self._interrupted()
        if "events" in self._modes:
            yield from self._chain(event.data)

    def _interrupted(self) -> Iterator[Part]:
        """Say what the run waits for; nothing, when it was told to stop at a step."""
        asked = {"__interrupt__": self._asked}
        self._asked = []
        if "updates" in self._modes:
            yield "updates", asked
        if "values" in self._modes and self._values is not None:
            yield "values", {**self._values, **asked}

    # ----------------------------------------------------------------- messages

    def _message(self, data: JsonObject) -> Iterator[Part]:
        id = data["message_id"]
        if data["event"] == "message-start":
            message = self._messages[id] = _Message(id, data.get("metadata") or {})
            if "messages" in self._modes:
                yield "messages/metadata", {id: {"metadata": message.about}}
            if "events" in self._modes:
                yield self._model_event("on_chat_model_start", message, {"input": None})
            return
        if id not in self._messages:
            return
        message = self._messages[id]
        match data["event"]:
            case "content-block-start":
                message.block = ""
                yield from self._begin_call(message, data)
            case "content-block-delta":
                yield from self._delta(message, data)
            case "content-block-finish":
                _finish_block(message, data["content"])
            case "message-finish":
                message.usage = data.get("usage")
                yield from self._finish(message)
            case "error":
                del self._messages[id]
                yield from self._removed(message)

    def _begin_call(self, message: _Message, data: JsonObject) -> Iterator[Part]:
        """Say which tool is called; the arguments come in pieces."""
        block = data["content"]
        if block["type"] == "tool_call_chunk" and "messages-tuple" in self._modes:
            call = {key: block.get(key) for key in ("name", "args", "id", "type")}
            yield "messages", [_call_chunk(message.id, data["index"], call), message.about]

    def _delta(self, message: _Message, data: JsonObject) -> Iterator[Part]:
        delta, chunk = data["delta"], _chunk(message.id)
        match delta["type"]:
            case "text-delta":
                message.text += delta["text"]
                message.block += delta["text"]
                chunk["content"] = delta["text"]
            case "reasoning-delta":
                message.reasoning += delta["reasoning"]
                message.block += delta["reasoning"]
                chunk["additional_kwargs"] = {"reasoning_content": delta["reasoning"]}
            case "tool-call-delta":
                message.block += delta["args"]
                call = {"name": None, "args": delta["args"], "id": None, "type": "tool_call_chunk"}
                chunk = _call_chunk(message.id, data["index"], call)
            case _:
                return
        if "messages-tuple" in self._modes:
            yield "messages", [chunk, message.about]
        if "messages" in self._modes:
            yield "messages/partial", [_whole(message)]
        if "events" in self._modes:
            yield self._model_event("on_chat_model_stream", message, {"chunk": chunk})

    def _finish(self, message: _Message) -> Iterator[Part]:
        whole = _whole(message)
        if "messages-tuple" in self._modes and not message.whole:
            yield "messages", [_gone(message.id), message.about]
            yield "messages", [whole, message.about]
        elif "messages-tuple" in self._modes and message.usage:
            yield "messages", [{**_chunk(message.id), "usage_metadata": message.usage}, message.about]
        if "messages" in self._modes:
            yield "messages/complete", [whole]
        if "events" in self._modes:
            yield self._model_event("on_chat_model_end", message, {"output": whole})
        del self._messages[message.id]

    def _removed(self, message: _Message) -> Iterator[Part]:
        gone = _gone(message.id)
        if "messages-tuple" in self._modes:
            yield "messages", [gone, message.about]
        if "messages" in self._modes:
            yield "messages/complete", [gone]
        if "events" in self._modes:
            yield self._model_event("on_chat_model_end", message, {"output": gone})

    # ----------------------------------------------------------------- the others

    def _custom(self, data: JsonObject) -> Iterator[Part]:
        name, payload = data.get("name") or "", data.get("payload")
        if "custom" in self._modes:
            yield "custom", {"name": name, "payload": payload} if name else payload
        if "events" in self._modes:
            yield self._event("on_custom_event", name or "custom", payload)

    def _chain(self, data: JsonObject) -> Iterator[Part]:
        if data["event"] == "running" and data.get("attempt", 1) == 1:
            yield self._event("on_chain_start", self._run.graph, {"input": self._run.input})
        elif data["event"] == "completed":
            yield self._event("on_chain_end", self._run.graph, {"output": None})

    def _event(self, event: str, name: str, data: Any, metadata: JsonObject | None = None) -> Part:
        return "events", {
            "event": event,
            "name": name,
            "run_id": self._run.id,
            "parent_ids": [],
            "tags": [],
            "metadata": metadata or {"graph_id": self._run.graph, "thread_id": self._run.thread},
            "data": data,
        }

    def _model_event(self, event: str, message: _Message, data: JsonObject) -> Part:
        return self._event(event, str(message.about.get("model") or "chat"), data, message.about)


def _question(data: JsonObject) -> JsonObject:
    """Return a question as LangGraph shows it."""
    question = {"value": data["value"], "id": data["interrupt_id"]}
    return question | {key: data[key] for key in ("response_schema",) if key in data}


def encode(id: str, name: str, data: Any) -> bytes:
    """Return one part as a server-sent event."""
    payload = data if isinstance(data, bytes) else orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id.encode(), name.encode(), payload)


def _chunk(id: str) -> JsonObject:
    return {
        "content": "",
        "additional_kwargs": {},
        "response_metadata": {},
        "type": "AIMessageChunk",
        "name": None,
        "id": id,
        "tool_calls": [],
        "invalid_tool_calls": [],
        "usage_metadata": None,
        "tool_call_chunks": [],
    }


def _call_chunk(id: str, index: int, call: JsonObject) -> JsonObject:
    return {**_chunk(id), "tool_call_chunks": [{**call, "index": index}]}


def _gone(id: str) -> JsonObject:
    return {"type": "remove", "id": id, "content": ""}


def _whole(message: _Message) -> JsonObject:
    return {
        "content": message.text,
        "additional_kwargs": {"reasoning_content": message.reasoning} if message.reasoning else {},
        "response_metadata": {},
        "type": "ai",
        "name": None,
        "id": message.id,
        "tool_calls": message.calls,
        "invalid_tool_calls": message.invalid_calls,
        "usage_metadata": message.usage,
    }


def _finish_block(message: _Message, content: JsonObject) -> None:
    """Take over a block's whole content, and note whether its deltas said all of it."""
    seen, message.block = message.block, ""
    match content["type"]:
        case "text":
            message.whole &= seen == content["text"]
            message.text = message.text.removesuffix(seen) + content["text"]
        case "reasoning":
            message.whole &= seen == content["reasoning"]
            message.reasoning = message.reasoning.removesuffix(seen) + content["reasoning"]
        case "tool_call":
            message.whole &= _arguments(seen) == content["args"]
            message.calls.append({key: content.get(key) for key in ("name", "args", "id", "type")})
        case "invalid_tool_call":
            message.whole &= seen == content["args"]
            message.invalid_calls.append(
                {key: content.get(key) for key in ("name", "args", "id", "error", "type")}
            )


def _arguments(text: str) -> Any:
    """Return the arguments of a tool call from the pieces that were seen; None when there is more."""
    try:
        return orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None
