"""Anthropic's Messages as clients write and read them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from hub.dialects.common import Sse, refuse_unknown, text_of
from runtime.errors import InvalidInput, ModelError
from runtime.gateway.reply import ReplyBuilder
from runtime.types import ChatRequest, Delta, JsonObject, RawRequest, ToolCall, Usage

_READ = {
    *("model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "stop_sequences"),
    *("tools", "tool_choice", "output_config", "thinking"),
}
_WITHOUT_EFFECT = {"metadata", "service_tier"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class Messages:
    """The dialect of `/v1/messages`."""

    name = "anthropic.messages"

    def read(self, request: RawRequest) -> ChatRequest:
        """Return the request in our words."""
        body = request.body
        refuse_unknown(body, _READ | _WITHOUT_EFFECT, {})
        output = body.get("output_config") or {}
        thinks = (body.get("thinking") or {}).get("type") not in (None, "disabled")
        choice = body.get("tool_choice") or {}
        parallel = choice.get("disable_parallel_tool_use")
        return ChatRequest(
            model="",
            messages=[*_system(body.get("system")), *_messages(body["messages"])],
            tools=[tool_of(tool) for tool in body.get("tools") or ()],
            tool_choice=choice.get("name") or _CHOICES.get(choice.get("type", "")),
            parallel_tool_calls=None if parallel is None else not parallel,
            response_format=_format(output.get("format")),
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            max_tokens=body.get("max_tokens"),
            stop=list(body.get("stop_sequences") or ()),
            reasoning=_EFFORTS.get(output.get("effort", "medium"), "high") if thinks else None,
        )

    def writer(self, request: RawRequest, model: str) -> MessagesWriter | MessagesStreamWriter:
        """Return who writes the answer."""
        return MessagesStreamWriter(model) if request.stream else MessagesWriter(model)

    def failed(self, error: JsonObject) -> bytes:
        """Return the event that ends a stream which broke."""
        return b"event: error\ndata: %b\n\n" % orjson.dumps(error)


_EFFORTS = {"low": "low", "medium": "medium", "high": "high"}


class MessagesWriter:
    """Writes a whole answer at its end."""

    def __init__(self, model: str) -> None:
        self._whole = ReplyBuilder(model)

    def write(self, delta: Delta) -> bytes:
        """Return nothing but at the end the whole answer."""
        self._whole.add(delta)
        if not delta.finish:
            return b""
        reply = self._whole.reply()
        content: list[JsonObject] = []
        if reply.reasoning:
            content.append({"type": "thinking", "thinking": reply.reasoning, "signature": reply.signature})
        if reply.text:
            content.append({"type": "text", "text": reply.text, "citations": None})
        content += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call)}
            for call in reply.tool_calls
        ]
        return orjson.dumps(
            {
                **_about(reply.model),
                "content": content,
                "stop_reason": _STOPS.get(delta.finish, "end_turn"),
                "usage": _usage(reply.usage),
            }
        )


class MessagesStreamWriter:
    """Writes the pieces of an answer as they come, each kind in a block of its own."""

    def __init__(self, model: str) -> None:
        self._model, self._usage = model, Usage()
        self._begun = False
        self._index, self._open = -1, ""

    def write(self, delta: Delta) -> bytes:
        """Return the events of a piece."""
        sse = Sse()
        self._usage = delta.usage or self._usage
        if delta.reasoning:
            self._block(sse, "thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._delta(sse, {"type": "thinking_delta", "thinking": delta.reasoning})
        if delta.signature:
            self._block(sse, "thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._delta(sse, {"type": "signature_delta", "signature": delta.signature})
        if delta.text:
            self._block(sse, "text", {"type": "text", "text": ""})
            self._delta(sse, {"type": "text_delta", "text": delta.text})
        if call := delta.tool_call:
            named = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            self._block(sse, f"call {call.index}", named)
            if call.arguments:
                self._delta(sse, {"type": "input_json_delta", "partial_json": call.arguments})
        if delta.finish:
            self._end(sse, delta.finish)
        return sse.data

    def _begin(self, sse: Sse) -> None:
        if not self._begun:
            self._begun = True
            message = {
                **_about(self._model),
                "content": [],
                "stop_reason": None,
                "usage": _usage(self._usage),
            }
            sse.add({"type": "message_start", "message": message}, "message_start")

    def _block(self, sse: Sse, kind: str, content: JsonObject) -> None:
        self._begin(sse)
        if self._open == kind:
            return
        self._close(sse)
        self._open, self._index = kind, self._index + 1
        start = {"type": "content_block_start", "index": self._index, "content_block": content}
        sse.add(start, "content_block_start")

    def _delta(self, sse: Sse, delta: JsonObject) -> None:
        piece = {"type": "content_block_delta", "index": self._index, "delta": delta}
        sse.add(piece, "content_block_delta")

    def _close(self, sse: Sse) -> None:
        if self._open:
            sse.add({"type": "content_block_stop", "index": self._index}, "content_block_stop")
            self._open = ""

    def _end(self, sse: Sse, finish: str) -> None:
        self._begin(sse)
        self._close(sse)
        stop = {"stop_reason": _STOPS.get(finish, "end_turn"), "stop_sequence": None}
        sse.add({"type": "message_delta", "delta": stop, "usage": _usage(self._usage)}, "message_delta")
        sse.add({"type": "message_stop"}, "message_stop")


def _system(system: Any) -> Iterator[JsonObject]:
    if system:
        yield {"role": "system", "content": system if isinstance(system, str) else _texts(system)}


def _texts(blocks: Any) -> list[JsonObject]:
    text_of(blocks)
    return [_text(block) for block in blocks]


def _text(block: Mapping[str, Any]) -> JsonObject:
    made = {"type": "text", "text": block["text"]}
    return {**made, "cache": True} if block.get("cache_control") else made


def _messages(messages: Any) -> Iterator[JsonObject]:
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            yield {"role": message["role"], "content": content}
        elif message["role"] == "assistant":
            yield _said(content)
        else:
            yield from _asked(content)


def _said(content: Any) -> JsonObject:
    """Return what an assistant said: its blocks and its calls."""
    blocks, calls = [], []
    for block in content:
        match block["type"]:
            case "text":
                blocks.append(_text(block))
            case "thinking":
                blocks.append(
                    {"type": "reasoning", "text": block["thinking"], "signature": block.get("signature", "")}
                )
            case "redacted_thinking":
                blocks.append({"type": "reasoning", "text": "", "signature": f"redacted:{block['data']}"})
            case "tool_use":
                arguments = orjson.dumps(block["input"]).decode()
                calls.append({"id": block["id"], "name": block["name"], "arguments": arguments})
            case other:
                raise InvalidInput(f"This model takes no {other} in a message; leave it out.")
    said: JsonObject = {"role": "assistant", "content": blocks}
    return {**said, "tool_calls": calls} if calls else said


def _asked(content: Any) -> Iterator[JsonObject]:
    """Yield what a user said: the results of tools, each a message, then the rest."""
    blocks: list[JsonObject] = []
    for block in content:
        match block["type"]:
            case "tool_result":
                text = text_of(block.get("content"))
                yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text}
            case "text":
                blocks.append(_text(block))
            case "image" if block["source"]["type"] == "url":
                blocks.append({"type": "image", "url": block["source"]["url"]})
            case "image":
                source = block["source"]
                blocks.append({"type": "image", "mime_type": source["media_type"], "data": source["data"]})
            case other:
                raise InvalidInput(f"This model takes no {other} in a message; send text and images.")
    if blocks:
        yield {"role": "user", "content": blocks}


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool in our words."""
    if "input_schema" not in tool:
        raise InvalidInput(f"This model has no tool {tool.get('type')}; offer tools with an input_schema.")
    about = {name: tool[name] for name in ("name", "description", "strict") if tool.get(name)}
    return {**about, "parameters": tool["input_schema"]}


def _input(call: ToolCall) -> Any:
    try:
        return orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        raise ModelError(
            f"The model calls {call.name} with arguments that are not JSON; ask again."
        ) from None


def _format(wanted: Mapping[str, Any] | None) -> JsonObject | None:
    return None if wanted is None else {"type": "json_schema", "name": "answer", "schema": wanted["schema"]}


def _about(model: str) -> JsonObject:
    id = f"msg_{uuid.uuid4().hex}"
    return {"id": id, "type": "message", "role": "assistant", "model": model, "stop_sequence": None}


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
