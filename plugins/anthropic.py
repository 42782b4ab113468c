"""Anthropic's Messages: text, images, tools, structured output, thoughts and the prompt cache."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, Field

from hubbub import (
    ChatRequest,
    Context,
    Delta,
    InvalidInput,
    JsonObject,
    RawChunk,
    RawRequest,
    ToolCall,
    Usage,
    hookimpl,
)
from hubbub.vendors import CONNECT, Door, Service, Vendor

VERSION = "2023-06-01"
"""The version of the API that requests are passed on in, unless the client names another one."""

_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
_KEPT = {"cache_control": {"type": "ephemeral"}}
_REDACTED = "redacted:"


class Settings(BaseModel):
    """`[plugins.anthropic]`: the key, the address, and the tokens of an answer when nobody says how many."""

    api_key: str = "secret:ANTHROPIC_API_KEY"
    base_url: str = "https://api.anthropic.com"
    max_tokens: int = Field(default=8192, ge=1)


class Anthropic:
    """The Messages API."""

    name = "anthropic"
    dialects = ("anthropic.messages",)

    def __init__(self, service: Service, max_tokens: int) -> None:
        self._service, self._max_tokens = service, max_tokens

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer as it is made."""
        answer = Answer()
        body = messages_body(request, self._max_tokens)
        async with aclosing(self._service.events("/v1/messages", body)) as events:
            async for event in events:
                for piece in answer.pieces(event):
                    yield piece

    async def relay(self, request: RawRequest, ctx: Context) -> AsyncIterator[RawChunk]:
        """Pass a request on as it is, and the answer back."""
        answer = Answer()
        passed = self._service.passed("/v1/messages", request)
        if not request.stream:
            whole, data = await self._service.whole(passed)
            answer.count(whole.get("usage") or {})
            ended = _FINISHES.get(whole.get("stop_reason") or "", "incomplete")
            yield RawChunk(data, True, answer.usage, ended)
            return
        async with aclosing(self._service.batches(passed)) as batches:
            async for batch in batches:
                pieces = [piece for event, _ in batch for piece in answer.pieces(event)]
                sent = b"".join(_event(event, raw) for event, raw in batch)
                finish = next((piece.finish for piece in pieces if piece.finish), None)
                content = any(piece.content for piece in pieces)
                yield RawChunk(sent, content, answer.usage if finish else None, finish)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.aclose()


def _event(event: Mapping[str, Any], raw: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event.get("type") or "").encode(), raw)


@dataclass(slots=True)
class Answer:
    """What is known of an answer while its events come: which block is which call, and what was used."""

    finish: str = ""
    usage: Usage = field(default_factory=Usage)
    calls: dict[int, int] = field(default_factory=dict)

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Delta]:
        """Yield the pieces of one event."""
        match event.get("type"):
            case "message_start":
                self.count(event["message"].get("usage") or {})
            case "content_block_start":
                yield from self._block(event["index"], event["content_block"])
            case "content_block_delta":
                yield from self._delta(event["index"], event["delta"])
            case "message_delta":
                self.count(event.get("usage") or {})
                self.finish = event["delta"].get("stop_reason") or self.finish
            case "message_stop" if self.finish:
                yield Delta(usage=self.usage, finish=_FINISHES.get(self.finish, "incomplete"))

    def _block(self, index: int, block: Mapping[str, Any]) -> Iterator[Delta]:
        match block["type"]:
            case "tool_use":
                self.calls[index] = len(self.calls)
                yield Delta(tool_call=ToolCall(self.calls[index], block["id"], block["name"]))
            case "redacted_thinking":
                yield Delta(signature=_REDACTED + block["data"])
            case "text" if block.get("text"):
                yield Delta(text=block["text"])

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[Delta]:
        match delta["type"]:
            case "text_delta":
                yield Delta(text=delta["text"])
            case "thinking_delta":
                yield Delta(reasoning=delta["thinking"])
            case "signature_delta":
                yield Delta(signature=delta["signature"])
            case "input_json_delta" if delta["partial_json"]:
                yield Delta(tool_call=ToolCall(self.calls[index], arguments=delta["partial_json"]))

    def count(self, usage: Mapping[str, Any]) -> None:
        """Take over the counts that an event has; those of the end are sums, not differences."""
        if "input_tokens" in usage and usage["input_tokens"] is not None:
            read, written = (
                usage.get("cache_read_input_tokens") or 0,
                usage.get("cache_creation_input_tokens") or 0,
            )
            sent = usage["input_tokens"] + read + written
            self.usage = replace(
                self.usage, input_tokens=sent, cached_tokens=read, cache_write_tokens=written
            )
        thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
        made = usage.get("output_tokens") or self.usage.output_tokens
        self.usage = replace(self.usage, output_tokens=made, reasoning_tokens=thought)


def messages_body(request: ChatRequest, max_tokens: int) -> JsonObject:
    """Return the request in Anthropic's words; InvalidInput for what it has no words for."""
    _refuse(request)
    body: JsonObject = {
        "model": request.model,
        "max_tokens": request.max_tokens or max_tokens,
        "messages": _turns(request),
        "stream": True,
    }
    system = [
        text_of(block)
        for message in request.messages
        if message["role"] in ("system", "developer")
        for block in _blocks(message.get("content"))
    ]
    given = {
        "system": system or None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": list(request.stop) or None,
        "tools": [tool_of(tool) for tool in request.tools] or None,
        "tool_choice": choice_of(request) if request.tools else None,
        "output_config": _output(request) or None,
        "thinking": None if request.reasoning in (None, "none") else {"type": "adaptive"},
    }
    return body | {name: value for name, value in given.items() if value is not None}


def _refuse(request: ChatRequest) -> None:
    if request.seed is not None:
        raise InvalidInput("Anthropic has no seed for its models; leave seed out.")
    if request.temperature is not None and request.temperature > 1:
        raise InvalidInput("Anthropic takes a temperature of at most 1; lower it.")
    if request.response_format and request.response_format["type"] == "json":
        raise InvalidInput("Anthropic makes JSON by a schema only; give response_format a schema.")


def _output(request: ChatRequest) -> JsonObject:
    output: JsonObject = {}
    if request.reasoning in _EFFORTS:
        output["effort"] = _EFFORTS[request.reasoning]
    if request.response_format:
        output["format"] = {"type": "json_schema", "schema": request.response_format["schema"]}
    return output


def _turns(request: ChatRequest) -> list[JsonObject]:
    """Return the messages by turns: what two of one side say in a row is one message."""
    turns: list[JsonObject] = []
    for message in request.messages:
        if message["role"] in ("system", "developer"):
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += list(_content(message))
    return turns


def _content(message: Mapping[str, Any]) -> Iterator[JsonObject]:
    if message["role"] == "tool":
        content = [block_of(block) for block in _blocks(message.get("content"))]
        yield {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}
        return
    yield from (made for block in _blocks(message.get("content")) if (made := block_of(block)))
    for call in message.get("tool_calls") or ():
        yield {"type": "tool_use", "id": call["id"], "name": call["name"], "input": _arguments(call)}


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    """Return a content as blocks; an empty text is none, Anthropic refuses it."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for block in content or () if block.get("type") != "text" or block.get("text")]


def block_of(block: Mapping[str, Any]) -> JsonObject:
    """Return one part of a message; {} for thoughts of another vendor, which nobody can check."""
    match block.get("type"):
        case "text":
            return text_of(block)
        case "image" if block.get("url"):
            return {"type": "image", "source": {"type": "url", "url": block["url"]}}
        case "image":
            source = {"type": "base64", "media_type": block["mime_type"], "data": block["data"]}
            return {"type": "image", "source": source}
        case "reasoning":
            return _thought(block)
        case other:
            raise InvalidInput(f"Anthropic takes no {other} in a message; send text and images.")


def text_of(block: Mapping[str, Any]) -> JsonObject:
    """Return a text, with the mark that ends what is to be cached."""
    made: JsonObject = {"type": "text", "text": block.get("text", "")}
    return made | _KEPT if block.get("cache") else made


def _thought(block: Mapping[str, Any]) -> JsonObject:
    signature = block.get("signature") or ""
    if signature.startswith(_REDACTED):
        return {"type": "redacted_thinking", "data": signature.removeprefix(_REDACTED)}
    return (
        {"type": "thinking", "thinking": block.get("text", ""), "signature": signature} if signature else {}
    )


def _arguments(call: Mapping[str, Any]) -> Any:
    try:
        return json.loads(call.get("arguments") or "{}")
    except ValueError:
        raise InvalidInput(
            f"The arguments of the call of {call['name']} in the messages are not JSON; mend them."
        ) from None


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool."""
    schema = tool.get("parameters") or {"type": "object", "properties": {}}
    known = {name: tool[name] for name in ("name", "description", "strict") if tool.get(name)}
    return {**known, "input_schema": schema}


def choice_of(request: ChatRequest) -> JsonObject | None:
    """Return which tool is to be called, and whether more than one at once."""
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    if choice is None and parallel is None:
        return None
    kinds = {None: "auto", "auto": "auto", "none": "none", "required": "any"}
    made: JsonObject = {"type": kinds[choice]} if choice in kinds else {"type": "tool", "name": choice}
    if parallel is not None and choice != "none":
        made["disable_parallel_tool_use"] = not parallel
    return made


@hookimpl
def register_providers(settings: Settings) -> list[Anthropic]:
    """Supply the provider `anthropic`."""

    def make() -> Any:
        import httpx2
        from anthropic import AsyncAnthropic

        # The gateway tries again, and it alone: retries inside of retries multiply.
        timeout = httpx2.Timeout(None, connect=CONNECT)
        return AsyncAnthropic(
            api_key=settings.api_key, base_url=settings.base_url, max_retries=0, timeout=timeout
        )

    vendor = Vendor("Anthropic", "[plugins.anthropic] api_key")
    headers = {"x-api-key": settings.api_key, "anthropic-version": VERSION}
    door = Door(settings.base_url.rstrip("/"), headers)
    return [Anthropic(Service(vendor, door, make), settings.max_tokens)]
