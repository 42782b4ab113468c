"""Any chat model of LangChain: `langchain:MODULE:CLASS`, or `langchain:` and a name for init_chat_model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any

import orjson
from pydantic import BaseModel

from hubbub import (
    ChatRequest,
    Context,
    Delta,
    HubbubError,
    InvalidInput,
    JsonObject,
    ModelError,
    ToolCall,
    Usage,
    hookimpl,
)
from hubbub.vendors import Vendor

_FINISHES = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
}
_CHOICES = {"required": "any"}


class Settings(BaseModel):
    """`[plugins.langchain]`: `options` are what a model is made with, by what follows `langchain:`."""

    options: dict[str, dict[str, Any]] = {}


class LangChain:
    """The chat models that candidates name, each made when it is first asked."""

    name = "langchain"

    def __init__(self, options: Mapping[str, Mapping[str, Any]]) -> None:
        self._options = options
        self._models: dict[str, Any] = {}
        self._making = asyncio.Lock()

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the answer as it is made."""
        model = asked(await self._model(request.model), request)
        reader, begun = Reader(), False
        messages = [message_of(message) for message in request.messages]
        try:
            async with aclosing(model.astream(messages, **settings_of(request))) as chunks:
                async for chunk in chunks:
                    for delta in reader.deltas(chunk):
                        begun = True
                        yield delta
        except HubbubError:
            raise
        except Exception as error:
            raise _failure(request.model, error, begun=begun) from error
        yield reader.last()

    async def _model(self, name: str) -> Any:
        async with self._making:
            if name not in self._models:
                # In a thread: a vendor's package may take a second to import.
                self._models[name] = await asyncio.to_thread(make, name, self._options.get(name, {}))
        return self._models[name]


def make(name: str, options: Mapping[str, Any]) -> Any:
    """Return a chat model; ModelError when there is none of that name, or it cannot be made."""
    from langchain_core.language_models import BaseChatModel

    try:
        found = _named(name)
        if found is None:
            from langchain.chat_models import init_chat_model

            found = init_chat_model(name, **options)
        elif not isinstance(found, BaseChatModel):
            # The gateway tries again, and it alone: retries inside of retries multiply.
            retries = {"max_retries": 0} if "max_retries" in getattr(found, "model_fields", ()) else {}
            found = found(**{**retries, **options})
    except Exception as error:
        words = " ".join(str(error).partition("\n\n")[0].split())[:300].rstrip(".") or type(error).__name__
        raise ModelError(
            f"langchain:{name} cannot be made ({words}); install its package, or mend "
            f'[plugins.langchain.options."{name}"].',
            reason="invalid",
        ) from error
    if not isinstance(found, BaseChatModel):
        raise ModelError(
            f"langchain:{name} is a {type(found).__name__}, not a chat model; name another.", reason="invalid"
        )
    return found


def _named(name: str) -> Any:
    """Return what a module has under that name; None when it is a name for init_chat_model."""
    module, _, attribute = name.rpartition(":")
    try:
        return getattr(import_module(module), attribute, None) if module else None
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            return None
        raise


def asked(model: Any, request: ChatRequest) -> Any:
    """Return the model with the tools of a request; InvalidInput for what not every model understands."""
    if request.response_format or request.reasoning:
        word = "response_format" if request.response_format else "reasoning"
        raise InvalidInput(
            f"langchain:{request.model} is not told of {word}, for LangChain's models share no word for it; "
            f'put it into [plugins.langchain.options."{request.model}"], or name another candidate.'
        )
    if not request.tools:
        return model
    given = {"parallel_tool_calls": request.parallel_tool_calls, "tool_choice": request.tool_choice}
    more = {key: _CHOICES.get(str(value), value) for key, value in given.items() if value is not None}
    tools = [{"type": "function", "function": {**tool}} for tool in request.tools]
    try:
        return model.bind_tools(tools, **more)
    except NotImplementedError:
        raise InvalidInput(f"langchain:{request.model} takes no tools; name another candidate.") from None


def settings_of(request: ChatRequest) -> JsonObject:
    """Return how the answer is made."""
    given = {
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def message_of(message: Mapping[str, Any]) -> Any:
    """Return one message as LangChain's."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    content = message.get("content") or ""
    blocks: Any = content if isinstance(content, str) else [block_of(block) for block in content]
    match message["role"]:
        case "system":
            return SystemMessage(blocks)
        case "assistant":
            calls = [
                {"id": call["id"], "name": call["name"], "args": orjson.loads(call.get("arguments") or "{}")}
                for call in message.get("tool_calls") or ()
            ]
            return AIMessage(blocks, tool_calls=calls)
        case "tool":
            return ToolMessage(blocks, tool_call_id=message["tool_call_id"])
        case _:
            return HumanMessage(blocks)


def block_of(block: Mapping[str, Any]) -> JsonObject:
    """Return one part of a message, in the words that LangChain's models share."""
    match block.get("type"):
        case "text":
            return {"type": "text", "text": block["text"]}
        case "image" if block.get("url"):
            return {"type": "image", "url": block["url"]}
        case "image":
            return {"type": "image", "base64": block["data"], "mime_type": block["mime_type"]}
        case "reasoning":
            extras = {"extras": {"signature": block["signature"]}} if block.get("signature") else {}
            return {"type": "reasoning", "reasoning": block["text"], **extras}
        case kind:
            raise InvalidInput(f"LangChain's models take no {kind} in a message; send text and images.")


class Reader:
    """Reads one answer: LangChain's chunks in, deltas out."""

    def __init__(self) -> None:
        self._calls: dict[Any, int] = {}
        self._usage: Usage | None = None
        self._finish = ""

    def deltas(self, chunk: Any) -> list[Delta]:
        """Return what a chunk, or a whole message, adds."""
        metadata = chunk.response_metadata
        self._finish = metadata.get("finish_reason") or metadata.get("stop_reason") or self._finish
        if chunk.usage_metadata:
            self._usage = _added(self._usage or Usage(), chunk.usage_metadata)
        found = [self._delta({**block}) for block in chunk.content_blocks]
        return [delta for delta in found if delta is not None]

    def last(self) -> Delta:
        """Return the end of the answer; a model that gives no reason for it has said all it had to say."""
        said = str(self._finish).lower()
        known = _FINISHES.get(said, "incomplete") if said else "stop"
        return Delta(usage=self._usage, finish="tool_calls" if self._calls and known == "stop" else known)

    def _delta(self, block: JsonObject) -> Delta | None:
        match block.get("type"):
            case "text":
                return Delta(text=block.get("text") or "") if block.get("text") else None
            case "reasoning":
                signature = (block.get("extras") or {}).get("signature") or ""
                return Delta(reasoning=block.get("reasoning") or "", signature=signature)
            case "tool_call":
                return self._call(object(), block, orjson.dumps(block.get("args") or {}).decode())
            case "tool_call_chunk":
                key = block.get("index")
                return self._call(block.get("id") if key is None else key, block, block.get("args") or "")
            case _:
                return None

    def _call(self, key: Any, block: JsonObject, arguments: str) -> Delta:
        index = self._calls.setdefault(key, len(self._calls))
        return Delta(tool_call=ToolCall(index, block.get("id") or "", block.get("name") or "", arguments))


def _added(before: Usage, more: Mapping[str, Any]) -> Usage:
    """Return the sum: the chunks of an answer each say what they add."""
    read = (more.get("input_token_details") or {}).get("cache_read") or 0
    written = (more.get("input_token_details") or {}).get("cache_creation") or 0
    thought = (more.get("output_token_details") or {}).get("reasoning") or 0
    return Usage(
        input_tokens=before.input_tokens + (more.get("input_tokens") or 0),
        output_tokens=before.output_tokens + (more.get("output_tokens") or 0),
        cached_tokens=before.cached_tokens + read,
        reasoning_tokens=before.reasoning_tokens + thought,
        cache_write_tokens=before.cache_write_tokens + written,
    )


def _failure(name: str, error: Exception, *, begun: bool) -> ModelError:
    vendor = Vendor(f"langchain:{name}", f'[plugins.langchain.options."{name}"]')
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        return vendor.refusal(status, getattr(error, "body", None) or str(error), headers)
    if begun:
        return vendor.broken("broke off in the middle of its answer")
    return vendor.unreachable(error)


@hookimpl
def register_providers(settings: Settings) -> list[LangChain]:
    """Supply `langchain`."""
    return [LangChain(settings.options)]
