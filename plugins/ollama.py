"""Ollama's own API: models on this machine or another one, with tools, images, thoughts and embeddings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel

from hubbub import (
    ChatRequest,
    Context,
    Delta,
    Embeddings,
    HubbubError,
    InvalidInput,
    JsonObject,
    ToolCall,
    Usage,
    hookimpl,
)
from hubbub.vendors import MAX_EVENT, Vendor

_FINISHES = {"stop": "stop", "length": "length"}


class Settings(BaseModel):
    """`[plugins.ollama]`: where it serves, a key where it asks for one, and how long it keeps a model."""

    host: str = "http://127.0.0.1:11434"
    api_key: str = ""
    keep_alive: str = "5m"


class Ollama:
    """Chat and embeddings of one Ollama."""

    name = "ollama"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._vendor = Vendor("Ollama", "[plugins.ollama] api_key")
        self._client: Any = None

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer as it is made."""
        wanted = chat_arguments(request)
        calls = 0
        try:
            chunks = await (await self._open()).chat(
                **wanted, stream=True, keep_alive=self._settings.keep_alive
            )
            async with aclosing(chunks):
                async for chunk in chunks:
                    message = chunk.message
                    if message.thinking:
                        yield Delta(reasoning=message.thinking)
                    if message.content:
                        yield Delta(text=message.content)
                    for call in message.tool_calls or ():
                        yield Delta(tool_call=call_of(calls, call.function))
                        calls += 1
                    if chunk.done:
                        yield Delta(usage=usage_of(chunk), finish=finish_of(chunk.done_reason, calls))
        except HubbubError:
            raise
        except Exception as error:
            raise self._failure(error) from error

    async def embed(
        self, texts: Sequence[str], model: str, dimensions: int | None, ctx: Context
    ) -> Embeddings:
        """Return the texts as vectors."""
        try:
            answer = await (await self._open()).embed(model=model, input=list(texts), dimensions=dimensions)
        except HubbubError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        return Embeddings(answer.embeddings, Usage(answer.prompt_eval_count or 0))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _open(self) -> Any:
        """Return the client; it is made when it is first needed, its import takes a while."""
        if self._client is None:
            self._client = await asyncio.to_thread(self._make)
        return self._client

    def _make(self) -> Any:
        import httpx
        from ollama import AsyncClient

        headers = {"Authorization": f"Bearer {self._settings.api_key}"} if self._settings.api_key else {}
        return AsyncClient(
            self._settings.host,
            headers=headers,
            timeout=httpx.Timeout(None, connect=10.0),
            # Its errors do not know the headers, and its lines no end.
            event_hooks={"response": [self._check]},
        )

    async def _check(self, response: Any) -> None:
        if response.is_error:
            raise self._vendor.refusal(response.status_code, _json(await response.aread()), response.headers)
        response.stream = _bounded(response.stream, self._vendor)

    def _failure(self, error: Exception) -> HubbubError:
        kind = type(error).__name__
        if kind == "ResponseError":
            return self._vendor.refusal(500, {"error": str(error.args[0] if error.args else error)})
        if isinstance(error, ValueError):
            return self._vendor.broken("sent a line that is not JSON")
        if isinstance(error, ConnectionError) or kind in ("ConnectError", "ConnectTimeout"):
            return self._vendor.unreachable(error)
        return self._vendor.broken("broke off in the middle of its answer")


def chat_arguments(request: ChatRequest) -> JsonObject:
    """Return the request in Ollama's words; InvalidInput for what it has no words for."""
    if request.tool_choice not in (None, "auto", "none"):
        raise InvalidInput("Ollama cannot be made to call a tool; leave tool_choice out.")
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "num_predict": request.max_tokens,
        "stop": list(request.stop) or None,
    }
    offered = () if request.tool_choice == "none" else request.tools
    return {
        "model": request.model,
        "messages": [message_of(message) for message in request.messages],
        "tools": [tool_of(tool) for tool in offered] or None,
        "format": format_of(request.response_format),
        "think": thinking_of(request.reasoning),
        "options": {name: value for name, value in options.items() if value is not None},
    }


def thinking_of(effort: str | None) -> bool | str | None:
    """Return how it is to think."""
    if effort in (None, "none"):
        return None if effort is None else False
    return "low" if effort == "minimal" else effort


def message_of(message: Mapping[str, Any]) -> JsonObject:
    """Return one message; its images are data, Ollama fetches none."""
    content = message.get("content") or ""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts, images, thoughts = [], [], []
    for block in blocks:
        match block.get("type"):
            case "text":
                texts.append(block["text"])
            case "image" if block.get("data"):
                images.append(block["data"])
            case "image":
                raise InvalidInput("Ollama fetches no images; send the image itself as base64 data.")
            case "reasoning":
                thoughts.append(block.get("text", ""))
            case other:
                raise InvalidInput(f"Ollama takes no {other} in a message; send text and images.")
    made: JsonObject = {"role": message["role"], "content": "".join(texts)}
    if images:
        made["images"] = images
    if thoughts:
        made["thinking"] = "".join(thoughts)
    if calls := message.get("tool_calls"):
        made["tool_calls"] = [
            {"function": {"name": call["name"], "arguments": json.loads(call.get("arguments") or "{}")}}
            for call in calls
        ]
    return made


def tool_of(tool: Mapping[str, Any]) -> JsonObject:
    """Return a tool."""
    function = {name: tool[name] for name in ("name", "description", "parameters") if name in tool}
    return {"type": "function", "function": function}


def format_of(wanted: Mapping[str, Any] | None) -> Any:
    """Return the shape of the answer."""
    if wanted is None:
        return None
    return "json" if wanted["type"] == "json" else wanted["schema"]


def call_of(index: int, function: Any) -> ToolCall:
    """Return a call; Ollama gives it no id."""
    arguments = json.dumps(dict(function.arguments), separators=(",", ":"))
    return ToolCall(index, f"call_{index}", function.name, arguments)


def finish_of(reason: str | None, calls: int) -> str:
    """Return why the answer ended; Ollama says "stop" for calls too."""
    return "tool_calls" if calls else _FINISHES.get(reason or "stop", "incomplete")


def usage_of(chunk: Any) -> Usage:
    """Return what was used."""
    return Usage(chunk.prompt_eval_count or 0, chunk.eval_count or 0, cost_usd=0.0)


def _bounded(stream: Any, vendor: Vendor) -> Any:
    """Return the bytes of an answer as they come, until one line of it is larger than any can be."""
    import httpx

    class Bounded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            line = 0
            async for chunk in stream:
                end = chunk.rfind(b"\n")
                line = line + len(chunk) if end < 0 else len(chunk) - end - 1
                if line > MAX_EVENT:
                    raise vendor.broken(f"sent a line of more than {MAX_EVENT // 1024**2} MiB")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@hookimpl
def register_providers(settings: Settings) -> list[Ollama]:
    """Supply the provider `ollama`."""
    return [Ollama(settings)]
