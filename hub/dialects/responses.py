"""OpenAI's Responses as clients write and read them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from hub.dialects.chat import image_of
from hub.dialects.common import Sse, refuse_unknown, text_of
from runtime.errors import InvalidInput
from runtime.gateway.reply import ReplyBuilder
from runtime.types import ChatRequest, Delta, JsonObject, RawRequest, Reply, ToolCall, Usage

_READ = {
    *("model", "input", "instructions", "stream", "tools", "tool_choice", "text", "temperature", "top_p"),
    *("max_output_tokens", "reasoning", "parallel_tool_calls"),
}
_WITHOUT_EFFECT = {
    *("metadata", "user", "service_tier", "prompt_cache_key", "safety_identifier", "include"),
    *("stream_options", "store"),
}
_NEUTRAL = {"truncation": "disabled", "top_logprobs": 0}
_REASONING = {"type": "reasoning"}


@dataclass(frozen=True, slots=True)
class About:
    """What a response says of itself beyond what the model was asked."""

    id: str = field(default_factory=lambda: f"resp_{uuid.uuid4().hex}")
    created_at: float = field(default_factory=time.time)
    previous: str | None = None
    background: bool = False
    store: bool = True


class Responses:
    """The dialect of `/v1/responses`; with `about` it answers one request, of which that is known."""

    name = "openai.responses"

    def __init__(self, about: About | None = None) -> None:
        self._about = about

    def read(self, request: RawRequest) -> ChatRequest:
        """Return the request in our words."""
        body = request.body
        refuse_unknown(body, _READ | _WITHOUT_EFFECT, _NEUTRAL)
        instructions = body.get("instructions")
        system = [{"role": "system", "content": instructions}] if instructions else []
        choice = body.get("tool_choice")
        return ChatRequest(
            model="",
            messages=[*system, *_messages(body["input"])],
            tools=[tool_of(tool) for tool in body.get("tools") or ()],
            tool_choice=choice if isinstance(choice, str | None) else str(choice["name"]),
            parallel_tool_calls=body.get("parallel_tool_calls"),
            response_format=_format((body.get("text") or {}).get("format")),
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            max_tokens=body.get("max_output_tokens"),
            reasoning=(body.get("reasoning") or {}).get("effort"),
        )

    def writer(self, request: RawRequest, model: str) -> ResponseWriter | ResponseStreamWriter:
        """Return who writes the answer."""
        about = self._about or About()
        if request.stream:
            return ResponseStreamWriter(request.body, model, about)
        return ResponseWriter(request.body, model, about)

    def failed(self, error: JsonObject) -> bytes:
        """Return the event that ends a stream which broke."""
        return b"event: error\ndata: %b\n\n" % orjson.dumps({**error["error"], "type": "error"})


class ResponseWriter:
    """Writes a whole answer at its end."""

    def __init__(self, body: JsonObject, model: str, about: About) -> None:
        self._about, self._ids = response_object(body, model, about), Ids(about.id)
        self._whole = ReplyBuilder(model)

    def write(self, delta: Delta) -> bytes:
        """Return nothing but at the end the whole answer."""
        self._whole.add(delta)
        if not delta.finish:
            return b""
        reply = self._whole.reply()
        return orjson.dumps(_ended(self._about, reply, _items(reply, self._ids)))


class ResponseStreamWriter:
    """Writes the pieces of an answer as they come, each kind in an item of its own.

    Events up to the number `after` are left out: the client has them.  `answer` is the response so far.
    """

    def __init__(self, body: JsonObject, model: str, about: About, after: int = -1) -> None:
        self._about, self._ids = response_object(body, model, about), Ids(about.id)
        self._whole = ReplyBuilder(model)
        self._number, self._after = 0, after
        self.answer = self._about
        self._done: list[JsonObject] = []
        self._item: JsonObject | None = None
        self._kind, self._parts = "", [""]

    def write(self, delta: Delta, number: int = 0) -> bytes:
        """Return the events of a piece, the first of them with at least this number."""
        sse = Sse()
        self._whole.add(delta)
        if not self._number:
            for event in ("response.created", "response.in_progress"):
                self._event(sse, event, response=self._about)
        self._number = max(self._number, number)
        if delta.reasoning:
            self._open(sse, "reasoning", lambda: {"id": self._ids.new("rs"), **_REASONING, "summary": []})
            self._add(sse, "response.reasoning_summary_text.delta", delta.reasoning, summary_index=0)
        if delta.text:
            self._open(sse, "message", lambda: _message(self._ids))
            self._add(sse, "response.output_text.delta", delta.text, content_index=0, logprobs=[])
        if call := delta.tool_call:
            self._open(sse, f"call {call.index}", lambda: _call(self._ids, call, ""))
            if call.arguments:
                self._add(sse, "response.function_call_arguments.delta", call.arguments)
        if delta.finish:
            self._close(sse)
            self.answer = _ended(self._about, self._whole.reply(), self._done)
            self._event(sse, f"response.{self.answer['status']}", response=self.answer)
        return sse.data

    def _event(self, sse: Sse, type: str, **values: Any) -> None:
        if self._number > self._after:
            sse.add({"type": type, "sequence_number": self._number, **values}, type)
        self._number += 1

    def _place(self) -> JsonObject:
        assert self._item
        return {"item_id": self._item["id"], "output_index": len(self._done)}

    def _open(self, sse: Sse, kind: str, make: Any) -> None:
        if self._kind == kind:
            return
        self._close(sse)
        self._kind, self._parts, self._item = kind, [], make()
        self._event(sse, "response.output_item.added", output_index=len(self._done), item=self._item)
        if kind == "message":
            self._part(sse, "response.content_part.added", "content_index", _part(""))
        elif kind == "reasoning":
            part = {"type": "summary_text", "text": ""}
            self._part(sse, "response.reasoning_summary_part.added", "summary_index", part)

    def _part(self, sse: Sse, type: str, index: str, part: JsonObject) -> None:
        self._event(sse, type, **self._place(), **{index: 0}, part=part)

    def _add(self, sse: Sse, type: str, text: str, **more: Any) -> None:
        self._parts.append(text)
        self._event(sse, type, **self._place(), **more, delta=text)

    def _close(self, sse: Sse) -> None:
        """End the item that is open, with all of it."""
        if self._item is None:
            return
        text = "".join(self._parts)
        if self._kind == "message":
            where = {**self._place(), "content_index": 0}
            self._event(sse, "response.output_text.done", **where, text=text, logprobs=[])
            self._part(sse, "response.content_part.done", "content_index", _part(text))
            item = {**self._item, "status": "completed", "content": [_part(text)]}
        elif self._kind == "reasoning":
            part = {"type": "summary_text", "text": text}
            where = {**self._place(), "summary_index": 0}
            self._event(sse, "response.reasoning_summary_text.done", **where, text=text)
            self._part(sse, "response.reasoning_summary_part.done", "summary_index", part)
            item = {**self._item, "summary": [part]}
        else:
            name = self._item["name"]
            self._event(
                sse, "response.function_call_arguments.done", **self._place(), name=name, arguments=text
            )
            item = {**self._item, "status": "completed", "arguments": text}
        self._event(sse, "response.output_item.done", output_index=len(self._done), item=item)
        self._done.append(item)
        self._item, self._kind = None, ""


def _messages(given: Any) -> Iterator[JsonObject]:
    """Yield the input as messages: calls join what the assistant said before them."""
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    said: JsonObject | None = None
    for item in given:
        kind = item.get("type", "message")
        if kind == "function_call":
            said = said or {"role": "assistant", "content": ""}
            call = {"id": item["call_id"], "name": item["name"], "arguments": item["arguments"]}
            said.setdefault("tool_calls", []).append(call)
            continue
        if said:
            yield said
            said = None
        if kind == "function_call_output":
            yield {"role": "tool", "tool_call_id": item["call_id"], "content": text_of(item["output"])}
        elif kind == "message" and item["role"] == "assistant":
            said = {"role": "assistant", "content": text_of(item["content"])}
        elif kind == "message":
            role = "user" if item["role"] == "user" else "system"
            yield {"role": role, "content": _content(item["content"])}
        elif kind != "reasoning":  # thoughts of another vendor mean nothing to this one
            raise InvalidInput(f"This model takes no {kind} in the input; send messages and calls.")
    if said:
        yield said


def _content(content: Any) -> Any:
    return content if isinstance(content, str) else [_block(block) for block in content]


def _block(block: Mapping[str, Any]) -> JsonObject:
    match block["type"]:
        case "input_text":
            return {"type": "text", "text": block["text"]}
        case "input_image" if block.get("image_url"):
            return image_of(block["image_url"])
        case other:
            raise InvalidInput(f"This model takes no {other} in a message; send text and images.")


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool in our words."""
    if tool["type"] != "function":
        raise InvalidInput(f"This model has no tool of the type {tool['type']}; offer functions.")
    return {name: tool[name] for name in ("name", "description", "parameters", "strict") if tool.get(name)}


def _format(wanted: Mapping[str, Any] | None) -> JsonObject | None:
    match (wanted or {}).get("type", "text"):
        case "text":
            return None
        case "json_object":
            return {"type": "json"}
        case _:
            return {**(wanted or {}), "type": "json_schema"}


class Ids:
    """The ids of a response's items: the same whenever it is written again."""

    def __init__(self, response: str) -> None:
        self._of, self._made = response.removeprefix("resp_"), 0

    def new(self, kind: str) -> str:
        """Return the next one."""
        self._made += 1
        return f"{kind}_{self._of}_{self._made}"


def response_object(body: JsonObject, model: str, about: About) -> JsonObject:
    """Return a response that has only begun."""
    return {
        "id": about.id,
        "object": "response",
        "created_at": about.created_at,
        "status": "in_progress",
        "model": model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "previous_response_id": about.previous,
        "background": about.background,
        "store": about.store,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
    }


def _message(ids: Ids, text: str = "") -> JsonObject:
    about = {"id": ids.new("msg"), "type": "message", "role": "assistant"}
    return {
        **about,
        "status": "completed" if text else "in_progress",
        "content": [_part(text)] if text else [],
    }


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(ids: Ids, call: ToolCall, arguments: str) -> JsonObject:
    named = {"id": ids.new("fc"), "type": "function_call", "call_id": call.id, "name": call.name}
    return {**named, "status": "completed" if arguments else "in_progress", "arguments": arguments}


def _items(reply: Reply, ids: Ids) -> list[JsonObject]:
    items: list[JsonObject] = []
    if reply.reasoning:
        summary = [{"type": "summary_text", "text": reply.reasoning}]
        items.append({"id": ids.new("rs"), **_REASONING, "summary": summary})
    if reply.text:
        items.append(_message(ids, reply.text))
    return [*items, *(_call(ids, call, call.arguments) for call in reply.tool_calls)]


def _ended(about: JsonObject, reply: Reply, items: list[JsonObject]) -> JsonObject:
    """Return the whole response."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(reply.finish)
    return {
        **about,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items,
        "usage": _usage(reply.usage),
    }


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
