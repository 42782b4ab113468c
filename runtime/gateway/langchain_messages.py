"""LangChain's messages and tools in our words, and our replies in LangChain's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.content import InvalidToolCall
from langchain_core.messages.tool import ToolCall as LangChainCall
from langchain_core.messages.tool import (
    ToolCallChunk,
    invalid_tool_call,
    tool_call_chunk,
)
from langchain_core.messages.tool import tool_call as langchain_call
from langchain_core.utils.function_calling import convert_to_openai_tool

from runtime.errors import InvalidInput
from runtime.types import Delta, JsonObject, Reply, ToolCall, Usage

_ROLES = {"human": "user", "system": "system", "ai": "assistant", "tool": "tool"}
_CHOICES = {"any": "required", True: "required", False: "none"}


def message_object(message: BaseMessage) -> JsonObject:
    """Return one message of a conversation; InvalidInput for what no vendor is told."""
    role = _ROLES.get(message.type.removesuffix("MessageChunk").lower())
    if role is None:
        raise InvalidInput(f"A model takes no message of the type {message.type}; leave it out.")
    found: JsonObject = {"role": role, "content": _content(message)}
    if isinstance(message, AIMessage) and message.tool_calls:
        found["tool_calls"] = [
            {"id": call["id"], "name": call["name"], "arguments": orjson.dumps(call["args"]).decode()}
            for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        found["tool_call_id"] = message.tool_call_id
    return found


def _content(message: BaseMessage) -> str | list[JsonObject]:
    if isinstance(message.content, str):
        return message.content
    found = []
    for block in message.content_blocks:
        match {**block}:
            case {"type": "text", "text": text}:
                found.append({"type": "text", "text": text})
            case {"type": "reasoning", "reasoning": text, **rest}:
                extras: Any = rest.get("extras") or {}
                signature = extras.get("signature", "")
                found.append({"type": "reasoning", "text": text, "signature": signature})
            case {"type": "image", "url": url}:
                found.append({"type": "image", "url": url})
            case {"type": "image", "base64": data, "mime_type": kind}:
                found.append({"type": "image", "data": data, "mime_type": kind})
            case {"type": "tool_call" | "tool_call_chunk" | "invalid_tool_call"}:
                pass  # they are beside the content
            case {"type": kind}:
                raise InvalidInput(f"A model takes no {kind} in a message; send text and images.")
    return found


def tool_object(tool: Any) -> JsonObject:
    """Return a tool, in whichever of LangChain's forms, as requests name it."""
    function: JsonObject = convert_to_openai_tool(tool)["function"]
    return function


def choice_word(choice: Any) -> str | None:
    """Return which tool is to be called: "auto", "none", "required", or the name of one."""
    if isinstance(choice, Mapping):
        return str((choice.get("function") or choice).get("name"))
    return choice if choice is None else str(_CHOICES.get(choice, choice))


def format_object(wanted: Any) -> JsonObject | None:
    """Return the shape of the answer, from OpenAI's words for it."""
    if not isinstance(wanted, Mapping):
        return None
    if wanted.get("type") != "json_schema":
        return {"type": "json"}
    return {"type": "json_schema", **wanted.get("json_schema", wanted)}


def ai_message(reply: Reply, id: str | None = None) -> AIMessage:
    """Return a whole answer."""
    calls: list[LangChainCall] = []
    invalid: list[InvalidToolCall] = []
    for number, call in enumerate(reply.tool_calls):
        # Some services name no call, or all of them alike; results find theirs by the id.
        taken = {one["id"] for one in [*calls, *invalid]}
        call_id = call.id if call.id and call.id not in taken else f"{call.id or 'call'}_{number}"
        try:
            arguments = orjson.loads(call.arguments or "{}")
            calls.append(langchain_call(name=call.name, args=dict(arguments), id=call_id))
        except (orjson.JSONDecodeError, TypeError, ValueError) as error:
            words = f"the arguments are no JSON object ({error})"
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call_id, error=words))
    content: Any = reply.text
    if reply.reasoning:
        thought: JsonObject = {"type": "reasoning", "reasoning": reply.reasoning}
        if reply.signature:
            thought["extras"] = {"signature": reply.signature}
        content = [thought, {"type": "text", "text": reply.text}]
    return AIMessage(
        content,
        id=id,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage_object(reply.usage),
        response_metadata={"model_name": reply.model, "finish_reason": reply.finish},
    )


def ai_chunk(delta: Delta) -> AIMessageChunk:
    """Return one piece of an answer."""
    calls: Sequence[ToolCallChunk] = [_chunk(delta.tool_call)] if delta.tool_call else []
    content: Any = delta.text
    if delta.reasoning:
        content = [{"type": "reasoning", "reasoning": delta.reasoning, "index": 0}]
    return AIMessageChunk(
        content=content,
        tool_call_chunks=list(calls),
        usage_metadata=usage_object(delta.usage) if delta.usage else None,
        response_metadata={"finish_reason": delta.finish} if delta.finish else {},
    )


def _chunk(call: ToolCall) -> ToolCallChunk:
    return tool_call_chunk(name=call.name or None, args=call.arguments, id=call.id or None, index=call.index)


def usage_object(usage: Usage) -> UsageMetadata:
    """Return what was used."""
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_token_details={"cache_read": usage.cached_tokens},
        output_token_details={"reasoning": usage.reasoning_tokens},
    )
