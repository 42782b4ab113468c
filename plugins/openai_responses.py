"""OpenAI's Responses: what its newest models speak, with their thoughts kept between two turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel

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

_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_KINDS = {"user": "input_text", "system": "input_text", "developer": "input_text", "assistant": "output_text"}


class Settings(BaseModel):
    """`[plugins.openai_responses]`: the key, and the address of a proxy."""

    api_key: str = "secret:OPENAI_API_KEY"
    base_url: str = "https://api.openai.com/v1"


class OpenAIResponses:
    """The Responses API, without anything kept at the vendor's."""

    name = "openai-responses"
    dialects = ("openai.responses",)

    def __init__(self, service: Service) -> None:
        self._service = service

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer as it is made."""
        answer = Answer(self._service.vendor)
        async with aclosing(self._service.events("/responses", response_body(request))) as events:
            async for event in events:
                for piece in answer.pieces(event):
                    yield piece

    async def relay(self, request: RawRequest, ctx: Context) -> AsyncIterator[RawChunk]:
        """Pass a request on as it is, and the answer back."""
        answer = Answer(self._service.vendor)
        passed = self._service.passed("/responses", request)
        if not request.stream:
            whole, data = await self._service.whole(passed)
            for last in answer.pieces({"type": f"response.{whole.get('status')}", "response": whole}):
                yield RawChunk(data, True, last.usage, last.finish)
            return
        async with aclosing(self._service.batches(passed)) as batches:
            async for batch in batches:
                pieces = [piece for event, _ in batch for piece in answer.pieces(event)]
                sent = b"".join(
                    b"event: %b\ndata: %b\n\n" % (event["type"].encode(), raw) for event, raw in batch
                )
                last = next((piece for piece in pieces if piece.finish), Delta())
                yield RawChunk(sent, any(piece.content for piece in pieces), last.usage, last.finish)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.aclose()


class Answer:
    """What is known of an answer while its events come: which item is which call."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._calls: dict[int, int] = {}
        self._refused = False

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Delta]:
        """Yield the pieces of one event; ModelError when it says that there will be no answer."""
        match event.get("type"):
            case "response.output_text.delta":
                yield Delta(text=event["delta"])
            case "response.refusal.delta":
                self._refused = True
                yield Delta(text=event["delta"])
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield Delta(reasoning=event["delta"])
            case "response.output_item.added" if event["item"]["type"] == "function_call":
                self._calls[event["output_index"]] = index = len(self._calls)
                yield Delta(tool_call=ToolCall(index, event["item"]["call_id"], event["item"]["name"]))
            case "response.function_call_arguments.delta":
                call = ToolCall(self._calls[event["output_index"]], arguments=event["delta"])
                yield Delta(tool_call=call)
            case "response.output_item.done" if event["item"].get("encrypted_content"):
                item = event["item"]
                yield Delta(signature=f"{item['id']}:{item['encrypted_content']}")
            case "response.completed" | "response.incomplete":
                yield self._end(event["response"])
            case "response.failed" | "response.cancelled":
                error = event["response"].get("error") or {"message": "it was cancelled"}
                raise self._vendor.refusal(500, {"error": error})
            case "error":
                raise self._vendor.refusal(500, {"error": event})

    def _end(self, response: Mapping[str, Any]) -> Delta:
        usage = usage_of(response.get("usage") or {})
        reason = (response.get("incomplete_details") or {}).get("reason")
        if reason is not None:
            return Delta(usage=usage, finish=_REASONS.get(reason, "incomplete"))
        called = self._calls or any(
            item.get("type") == "function_call" for item in response.get("output") or ()
        )
        return Delta(
            usage=usage, finish="content_filter" if self._refused else "tool_calls" if called else "stop"
        )


def response_body(request: ChatRequest) -> JsonObject:
    """Return the request in the words of the Responses API; InvalidInput for what it has no words for."""
    if request.seed is not None or request.stop:
        raise InvalidInput("OpenAI's Responses have neither seed nor stop; leave them out, or ask openai.")
    body: JsonObject = {
        "model": request.model,
        "input": [item for message in request.messages for item in items_of(message)],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    choice: Any = request.tool_choice
    if choice not in (None, "auto", "none", "required"):
        choice = {"type": "function", "name": choice}
    given = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_output_tokens": request.max_tokens,
        "tools": [tool_of(tool) for tool in request.tools] or None,
        "tool_choice": choice,
        "parallel_tool_calls": request.parallel_tool_calls,
        "reasoning": {"effort": request.reasoning, "summary": "auto"} if request.reasoning else None,
        "text": format_of(request.response_format),
    }
    return body | {name: value for name, value in given.items() if value is not None}


def items_of(message: Mapping[str, Any]) -> Iterator[JsonObject]:
    """Yield what a message is as items: thoughts, the message itself, calls or the result of one."""
    role, content = message["role"], message.get("content") or []
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if role == "tool":
        text = "".join(block.get("text", "") for block in blocks)
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": text}
        return
    for block in blocks:
        if block.get("type") == "reasoning" and ":" in (block.get("signature") or ""):
            id, _, kept = block["signature"].partition(":")
            if id != "redacted":
                yield {"type": "reasoning", "id": id, "summary": [], "encrypted_content": kept}
    if parts := [part_of(block, _KINDS[role]) for block in blocks if block.get("type") != "reasoning"]:
        yield {"type": "message", "role": role, "content": parts}
    for call in message.get("tool_calls") or ():
        arguments = call.get("arguments") or "{}"
        yield {"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": arguments}


def part_of(block: Mapping[str, Any], kind: str) -> JsonObject:
    """Return one part of a message."""
    if block.get("type") == "text":
        return {"type": kind, "text": block["text"]}
    if block.get("type") == "image":
        url = block.get("url") or f"data:{block['mime_type']};base64,{block['data']}"
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    raise InvalidInput(f"OpenAI's Responses take no {block.get('type')} in a message; send text and images.")


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool."""
    known = {name: tool[name] for name in ("name", "description", "parameters") if name in tool}
    return {"type": "function", "strict": bool(tool.get("strict")), **known}


def format_of(wanted: Mapping[str, Any] | None) -> JsonObject | None:
    """Return the shape of the answer."""
    if wanted is None:
        return None
    if wanted["type"] == "json":
        return {"format": {"type": "json_object"}}
    shape = {"name": wanted.get("name") or "answer", "schema": wanted["schema"]}
    return {"format": {"type": "json_schema", **shape, "strict": bool(wanted.get("strict"))}}


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Return what was used."""
    read = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
    return Usage(usage.get("input_tokens") or 0, usage.get("output_tokens") or 0, read, thought)


@hookimpl
def register_providers(settings: Settings) -> list[OpenAIResponses]:
    """Supply the provider `openai-responses`."""

    def make() -> Any:
        import httpx2
        from openai import AsyncOpenAI

        # The gateway tries again, and it alone: retries inside of retries multiply.
        timeout = httpx2.Timeout(None, connect=CONNECT)
        return AsyncOpenAI(
            api_key=settings.api_key, base_url=settings.base_url, max_retries=0, timeout=timeout
        )

    vendor = Vendor("OpenAI", "[plugins.openai_responses] api_key")
    door = Door(settings.base_url.rstrip("/"), {"Authorization": f"Bearer {settings.api_key}"})
    return [OpenAIResponses(Service(vendor, door, make))]
