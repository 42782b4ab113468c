"""OpenAI's chat completions and embeddings, and every other service that speaks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from orjson import dumps
from pydantic import BaseModel

from hubbub import (
    ChatRequest,
    Context,
    Delta,
    Embeddings,
    InvalidInput,
    JsonObject,
    RawChunk,
    RawRequest,
    ToolCall,
    Usage,
    hookimpl,
)
from hubbub.vendors import CONNECT, Door, Service, Vendor

_CONTENT = ("content", "tool_calls", "refusal", "reasoning_content", "reasoning")
_FINISHES = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class Compatible(BaseModel):
    """`[plugins.openai.compatible.NAME]`: another service that speaks OpenAI's language."""

    base_url: str
    api_key: str = "none"


class Settings(BaseModel):
    """`[plugins.openai]`: the key and, for a proxy, the address; `compatible` are further providers."""

    api_key: str = "secret:OPENAI_API_KEY"
    base_url: str = "https://api.openai.com/v1"
    compatible: dict[str, Compatible] = {}


class OpenAI:
    """Chat completions and embeddings of one service; OpenAI's `own` has newer words."""

    dialects = ("openai.chat",)

    def __init__(self, name: str, service: Service, *, own: bool) -> None:
        self.name, self._service, self._own = name, service, own

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer as it is made."""
        finish: str | None = None
        refused = False
        async with aclosing(
            self._service.events("/chat/completions", chat_body(request, own=self._own))
        ) as events:
            async for event in events:
                if usage := event.get("usage"):
                    yield Delta(usage=usage_of(usage))
                for choice in event.get("choices") or ():
                    delta = choice.get("delta") or {}
                    refused = refused or bool(delta.get("refusal"))
                    for piece in pieces_of(delta):
                        yield piece
                    finish = choice.get("finish_reason") or finish
        if finish:
            yield Delta(finish="content_filter" if refused else finish_of(finish))

    async def relay(self, request: RawRequest, ctx: Context) -> AsyncIterator[RawChunk]:
        """Pass a request on as it is, and the answer back."""
        if not request.stream:
            passed = self._service.passed("/chat/completions", request)
            answer, data = await self._service.whole(passed)
            ended = next((choice.get("finish_reason") for choice in answer.get("choices") or ()), None)
            yield RawChunk(data, True, usage_of(answer.get("usage") or {}), finish_of(ended or ""))
            return
        # Without asking, no usage is reported for streams; who has not asked is not sent it.
        options = request.body.get("stream_options") or {}
        wants_usage = bool(options.get("include_usage"))
        asked = {**request.body, "stream_options": {**options, "include_usage": True}}
        finish = None
        passed = self._service.passed("/chat/completions", replace(request, body=asked))
        async with aclosing(self._service.batches(passed)) as batches:
            async for batch in batches:
                sent, content = [], False
                used: Usage | None = None
                for event, raw in batch:
                    used = usage_of(event["usage"]) if event.get("usage") else used
                    for choice in event.get("choices") or ():
                        content = content or any((choice.get("delta") or {}).get(name) for name in _CONTENT)
                        finish = choice.get("finish_reason") or finish
                    if wants_usage or event.get("choices"):
                        sent.append(b"data: %b\n\n" % raw)
                yield RawChunk(b"".join(sent), content, used)
        if finish:
            yield RawChunk(b"data: [DONE]\n\n", finish=finish_of(finish))

    async def embed(
        self, texts: Sequence[str], model: str, dimensions: int | None, ctx: Context
    ) -> Embeddings:
        """Return the texts as vectors."""
        body: JsonObject = {"model": model, "input": list(texts), "encoding_format": "float"}
        if dimensions:
            body["dimensions"] = dimensions
        answer, _ = await self._service.whole(self._service.chunks("/embeddings", dumps(body)))
        rows = sorted(answer.get("data") or (), key=lambda row: row["index"])
        if len(rows) != len(texts):
            raise self._service.vendor.broken(f"sent {len(rows)} vectors for {len(texts)} texts")
        return Embeddings([row["embedding"] for row in rows], usage_of(answer.get("usage") or {}))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.aclose()


def chat_body(request: ChatRequest, *, own: bool) -> JsonObject:
    """Return the request in OpenAI's words."""
    body: JsonObject = {
        "model": request.model,
        "messages": [message_of(message) for message in request.messages],
        "stream": True,
        # Without asking, no usage is reported for streams.
        "stream_options": {"include_usage": True},
    }
    limit = "max_completion_tokens" if own else "max_tokens"
    given = {
        limit: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "reasoning_effort": request.reasoning,
        "tools": [tool_of(tool) for tool in request.tools] or None,
        "tool_choice": choice_of(request.tool_choice),
        "parallel_tool_calls": request.parallel_tool_calls,
        "response_format": format_of(request.response_format),
    }
    return body | {name: value for name, value in given.items() if value is not None}


def message_of(message: Mapping[str, Any]) -> JsonObject:
    """Return one message."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return {"role": role, "tool_call_id": message["tool_call_id"], "content": text_of(content)}
    if role == "assistant":
        calls = [call_of(call) for call in message.get("tool_calls") or ()]
        said: JsonObject = {"role": role, "content": text_of(content) or None}
        return {**said, "tool_calls": calls} if calls else said
    if isinstance(content, str):
        return {"role": role, "content": content}
    return {"role": role, "content": [block_of(block) for block in content or ()]}


def block_of(block: Mapping[str, Any]) -> JsonObject:
    """Return one part of a user's message."""
    if block.get("type") == "text":
        return {"type": "text", "text": block["text"]}
    if block.get("type") == "image":
        url = block.get("url") or f"data:{block['mime_type']};base64,{block['data']}"
        return {"type": "image_url", "image_url": {"url": url}}
    raise InvalidInput(f"Chat completions take no {block.get('type')} in a message; send text and images.")


def text_of(content: Any) -> str:
    """Return the text of a content; what else is in it the vendor has no place for."""
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(block.get("text", "") for block in content if block.get("type") == "text")


def call_of(call: Mapping[str, Any]) -> JsonObject:
    """Return a call that the assistant made."""
    function = {"name": call["name"], "arguments": call.get("arguments") or "{}"}
    return {"id": call["id"], "type": "function", "function": function}


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool."""
    known = {name: tool[name] for name in ("name", "description", "parameters", "strict") if name in tool}
    return {"type": "function", "function": known}


def choice_of(choice: str | None) -> Any:
    """Return which tool is to be called."""
    if choice in (None, "auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def format_of(wanted: Mapping[str, Any] | None) -> JsonObject | None:
    """Return the shape of the answer."""
    if wanted is None:
        return None
    if wanted["type"] == "json":
        return {"type": "json_object"}
    shape = {"name": wanted.get("name") or "answer", "schema": wanted["schema"]}
    return {"type": "json_schema", "json_schema": {**shape, "strict": bool(wanted.get("strict"))}}


def pieces_of(delta: Mapping[str, Any]) -> list[Delta]:
    """Return the pieces in one delta of a choice."""
    found = []
    if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
        found.append(Delta(reasoning=reasoning))
    if text := delta.get("content") or delta.get("refusal"):
        found.append(Delta(text=text))
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        found.append(Delta(tool_call=ToolCall(call.get("index") or 0, call.get("id") or "", name, arguments)))
    return found


def finish_of(reason: str) -> str:
    """Return why the answer ended, in our words."""
    return "tool_calls" if reason in ("tool_calls", "function_call") else _FINISHES.get(reason, "incomplete")


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Return what was used."""
    read = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    sent, made = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return Usage(sent, made, read, thought)


def _service(vendor: Vendor, api_key: str, base_url: str) -> Service:
    def make() -> Any:
        import httpx2
        from openai import AsyncOpenAI

        # The gateway tries again, and it alone: retries inside of retries multiply.
        timeout = httpx2.Timeout(None, connect=CONNECT)
        return AsyncOpenAI(api_key=api_key, base_url=base_url, max_retries=0, timeout=timeout)

    return Service(vendor, Door(base_url.rstrip("/"), {"Authorization": f"Bearer {api_key}"}), make)


@hookimpl
def register_providers(settings: Settings) -> list[OpenAI]:
    """Supply `openai`, and one provider for each of `compatible`."""
    found = []
    if settings.api_key:
        own = _service(Vendor("OpenAI", "[plugins.openai] api_key"), settings.api_key, settings.base_url)
        found.append(OpenAI("openai", own, own=True))
    for name, other in settings.compatible.items():
        vendor = Vendor(name, f"[plugins.openai.compatible.{name}] api_key")
        found.append(OpenAI(name, _service(vendor, other.api_key, other.base_url), own=False))
    return found
