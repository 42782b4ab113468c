"""OpenAI's chat completions as clients write and read them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from hub.dialects.common import Sse, refuse_unknown, text_of
from runtime.errors import InvalidInput
from runtime.gateway.reply import ReplyBuilder
from runtime.types import ChatRequest, Delta, JsonObject, RawRequest, ToolCall, Usage

_PASSED = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "parallel_tool_calls": "parallel_tool_calls",
    "reasoning_effort": "reasoning",
}
_READ = {
    *_PASSED,
    *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop"),
    *("tools", "tool_choice", "response_format"),
}
_WITHOUT_EFFECT = {"user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier"}
_NEUTRAL = {"n": 1, "logprobs": False, "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {}}


class Chat:
    """The dialect of `/v1/chat/completions`."""

    name = "openai.chat"

    def read(self, request: RawRequest) -> ChatRequest:
        """Return the request in our words."""
        body = request.body
        refuse_unknown(body, _READ | _WITHOUT_EFFECT, _NEUTRAL)
        given = {ours: body[theirs] for theirs, ours in _PASSED.items() if body.get(theirs) is not None}
        stop = body.get("stop") or ()
        return ChatRequest(
            model="",
            messages=[message_of(message) for message in body["messages"]],
            tools=[tool_of(tool) for tool in body.get("tools") or ()],
            tool_choice=choice_of(body.get("tool_choice")),
            response_format=format_of(body.get("response_format")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            stop=[stop] if isinstance(stop, str) else list(stop),
            **given,
        )

    def writer(self, request: RawRequest, model: str) -> ChatWriter | ChatStreamWriter:
        """Return who writes the answer."""
        if not request.stream:
            return ChatWriter(model)
        options = request.body.get("stream_options") or {}
        return ChatStreamWriter(model, usage=bool(options.get("include_usage")))

    def failed(self, error: JsonObject) -> bytes:
        """Return the event that ends a stream which broke."""
        return b"data: %b\n\n" % orjson.dumps(error)


class ChatWriter:
    """Writes a whole answer at its end."""

    def __init__(self, model: str) -> None:
        self._whole = ReplyBuilder(model)

    def write(self, delta: Delta) -> bytes:
        """Return nothing but at the end the whole answer."""
        self._whole.add(delta)
        if not delta.finish:
            return b""
        reply = self._whole.reply()
        message: JsonObject = {"role": "assistant", "content": reply.text or None, "refusal": None}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.tool_calls:
            message["tool_calls"] = [_call(call) for call in reply.tool_calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(delta.finish)}
        about = _about("chat.completion", reply.model)
        return orjson.dumps({**about, "choices": [choice], "usage": _usage(reply.usage)})


class ChatStreamWriter:
    """Writes the pieces of an answer as they come."""

    def __init__(self, model: str, *, usage: bool) -> None:
        self._about = _about("chat.completion.chunk", model)
        self._wants_usage, self._used = usage, Usage()
        self._begun = False
        self._named: set[int] = set()

    def write(self, delta: Delta) -> bytes:
        """Return the events of a piece."""
        sse = Sse()
        said: JsonObject = {}
        if delta.reasoning:
            said["reasoning_content"] = delta.reasoning
        if delta.text:
            said["content"] = delta.text
        if delta.tool_call:
            said["tool_calls"] = [self._call(delta.tool_call)]
        self._used = delta.usage or self._used
        if said or delta.finish:
            if not self._begun:
                self._begun = True
                self._choice(sse, {"role": "assistant", "content": ""})
            if said:
                self._choice(sse, said)
        if delta.finish:
            self._choice(sse, {}, _finish(delta.finish))
            if self._wants_usage:
                sse.add({**self._about, "choices": [], "usage": _usage(self._used)})
            sse.raw(b"data: [DONE]\n\n")
        return sse.data

    def _choice(self, sse: Sse, said: JsonObject, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": said, "logprobs": None, "finish_reason": finish}
        sse.add({**self._about, "choices": [choice]})

    def _call(self, call: ToolCall) -> JsonObject:
        if call.index in self._named:
            return {"index": call.index, "function": {"arguments": call.arguments}}
        self._named.add(call.index)
        return {"index": call.index, **_call(call)}


def message_of(message: Any) -> JsonObject:
    """Return one message in our words."""
    role = message.get("role") if isinstance(message, Mapping) else None
    match role:
        case "system" | "developer":
            return {"role": "system", "content": text_of(message.get("content"))}
        case "user":
            return {"role": "user", "content": _content(message.get("content"))}
        case "tool":
            answered = {"role": "tool", "tool_call_id": message.get("tool_call_id", "")}
            return {**answered, "content": text_of(message.get("content"))}
        case "assistant":
            said: JsonObject = {"role": "assistant", "content": text_of(message.get("content"))}
            if calls := message.get("tool_calls"):
                said["tool_calls"] = [{"id": call["id"], **call["function"]} for call in calls]
            return said
        case _:
            raise InvalidInput("A message has the role system, user, assistant or tool; mend `messages`.")


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [_block(block) for block in content or ()]


def _block(block: Mapping[str, Any]) -> JsonObject:
    match block.get("type"):
        case "text":
            return {"type": "text", "text": block["text"]}
        case "image_url":
            return image_of(block["image_url"]["url"])
        case other:
            raise InvalidInput(f"This model takes no {other} in a message; send text and images.")


def image_of(url: str) -> JsonObject:
    """Return an image by its address, which may hold the image itself."""
    kind, _, data = url.partition(";base64,")
    if url.startswith("data:") and data:
        return {"type": "image", "mime_type": kind.removeprefix("data:"), "data": data}
    return {"type": "image", "url": url}


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool in our words."""
    if tool.get("type") != "function":
        raise InvalidInput(f"This model has no tool of the type {tool.get('type')}; offer functions.")
    return dict(tool["function"])


def choice_of(choice: Any) -> str | None:
    """Return which tool is to be called, in our words."""
    if choice is None or isinstance(choice, str):
        return choice
    return str(choice["function"]["name"])


def format_of(wanted: Mapping[str, Any] | None) -> JsonObject | None:
    """Return the shape of the answer, in our words."""
    match (wanted or {}).get("type", "text"):
        case "text":
            return None
        case "json_object":
            return {"type": "json"}
        case _:
            assert wanted
            return {"type": "json_schema", **wanted["json_schema"]}


def _about(kind: str, model: str) -> JsonObject:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _call(call: ToolCall) -> JsonObject:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _finish(finish: str) -> str:
    return "stop" if finish == "incomplete" else finish


def _usage(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
