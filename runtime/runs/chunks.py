"""LangChain's messages and chunks of messages as deltas of a message on a thread's channel."""

from __future__ import annotations

from typing import Any

import orjson
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage

from runtime.runs.messages import MessageWriter
from runtime.types import Delta, JsonObject, ToolCall, Usage


class ChunkReader:
    """Reads one message, whole or chunk by chunk, and writes it."""

    def __init__(self, writer: MessageWriter) -> None:
        self._writer = writer
        self._usage: UsageMetadata | None = None
        self._calls: dict[Any, int] = {}
        self._call: Any = None
        self._server_calls: dict[Any, JsonObject] = {}

    def push(self, message: BaseMessage) -> None:
        """Write what this piece adds."""
        if _is_text(message):
            # LangChain takes 30 µs to say in blocks what is one text, of nearly every chunk.
            if message.content:
                self._writer.push(Delta(text=str(message.content)))
        else:
            for block in message.content_blocks:
                self._block({**block})
        if isinstance(message, AIMessage):
            if message.usage_metadata:
                self._usage = add_usage(self._usage, message.usage_metadata)
            if not isinstance(message, AIMessageChunk):
                for call in message.invalid_tool_calls:
                    self._writer.block({**call, "type": "invalid_tool_call"})

    def finish(self) -> None:
        """End the message; it is whole."""
        for call in self._server_calls.values():
            self._writer.block(_server_call(call))
        self._writer.finish(usage_of(self._usage) if self._usage else None)

    def fail(self, code: str, words: str) -> None:
        """End the message as a broken one."""
        self._writer.fail(code, words)

    def _block(self, block: JsonObject) -> None:
        match block.get("type"):
            case "text":
                self._writer.push(Delta(text=block.get("text") or ""))
            case "reasoning":
                self._writer.push(Delta(reasoning=block.get("reasoning") or ""))
            case "tool_call_chunk":
                self._chunk_of_call(block)
            case "tool_call":
                self._begin_call(object(), block, orjson.dumps(block.get("args") or {}).decode())
            case "server_tool_call_chunk":
                self._chunk_of_server_call(block)
            case _:
                self._writer.block(block)

    def _chunk_of_call(self, block: JsonObject) -> None:
        """Write a piece of a tool call; calls follow each other, told apart by their index or id."""
        key = block.get("index")
        key = (block.get("id") or self._call) if key is None else key
        if key == self._call and key in self._calls:
            self._writer.push(Delta(tool_call=ToolCall(self._calls[key], arguments=block.get("args") or "")))
        else:
            self._begin_call(key, block, block.get("args") or "")

    def _begin_call(self, key: Any, block: JsonObject, arguments: str) -> None:
        self._call = key
        number = self._calls[key] = len(self._calls)
        call = ToolCall(number, block.get("id") or "", block.get("name") or "", arguments)
        self._writer.push(Delta(tool_call=call))

    def _chunk_of_server_call(self, block: JsonObject) -> None:
        known = self._server_calls.setdefault(block.get("index"), {"args": ""})
        arguments = known["args"] + (block.get("args") or "")
        known.update({key: value for key, value in block.items() if value is not None}, args=arguments)


def _is_text(message: BaseMessage) -> bool:
    return (
        type(message.content) is str
        and not message.additional_kwargs
        and not getattr(message, "tool_call_chunks", None)
        and not getattr(message, "tool_calls", None)
    )


def _server_call(call: JsonObject) -> JsonObject:
    try:
        return {**call, "type": "server_tool_call", "args": orjson.loads(call["args"] or "{}")}
    except orjson.JSONDecodeError as error:
        return {**call, "type": "invalid_tool_call", "error": f"not JSON: {error}"}


def usage_of(usage: UsageMetadata) -> Usage:
    """Return what a message says was used."""
    return Usage(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cached_tokens=(usage.get("input_token_details") or {}).get("cache_read", 0),
        reasoning_tokens=(usage.get("output_token_details") or {}).get("reasoning", 0),
    )
