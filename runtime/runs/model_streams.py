"""The messages of a graph written in Python: LangGraph's message stream as messages on the channel."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from runtime.extensions.failures import in_words
from runtime.runs.chunks import ChunkReader
from runtime.runs.messages import MessageWriter
from runtime.types import JsonObject

_ROLES = {"ai": "ai", "AIMessageChunk": "ai", "human": "human", "system": "system"}
"""Messages of other types are no messages to people: results of tools are on the channel `tools`."""


class Opens(Protocol):
    """Opens a message on the channel."""

    def __call__(self, id: str, about: JsonObject, namespace: tuple[str, ...], role: str) -> MessageWriter:
        """Return what writes it."""


class ModelCalls(BaseCallbackHandler):
    """Hears from LangChain what the message stream does not say: whose a chunk is, and that a call failed.

    Some vendors name a message only in its second chunk: all chunks of a call have the id of its first.
    """

    run_inline = True
    ignore_chain = ignore_agent = ignore_retriever = ignore_retry = ignore_custom_event = True
    ignore_chat_model = True  # its start says nothing that is needed

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self._failed, self._loop = failed, asyncio.get_running_loop()
        self._first: dict[UUID, str] = {}
        self._others: dict[str, str] = {}

    def first_id(self, id: str) -> str:
        """Return the id of the message that a chunk with this id belongs to."""
        return self._others.get(id, id)

    def on_llm_new_token(
        self, token: Any, *, chunk: Any = None, run_id: UUID, parent_run_id: UUID | None = None, **more: Any
    ) -> None:
        """Note the ids of a call's chunks."""
        if isinstance(chunk, ChatGenerationChunk) and (id := chunk.message.id):
            first = self._first.setdefault(run_id, id)
            if id != first:
                self._others[id] = first

    def on_llm_end(
        self, response: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **more: Any
    ) -> None:
        """Forget the call."""
        self._first.pop(run_id, None)

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, **more: Any
    ) -> None:
        """Say that the call's message is broken; a step that is a plain function does so in its thread."""
        if first := self._first.pop(run_id, None):
            self._loop.call_soon_threadsafe(self._failed, first, in_words(error))


class ModelStreams:
    """Writes the messages of one run; `tries` says how often each step is tried at most."""

    def __init__(self, opens: Opens, tries: Callable[[str], int]) -> None:
        self._opens, self._tries = opens, tries
        self.calls = ModelCalls(self._break_off)
        self._open: dict[str, ChunkReader] = {}
        self._steps: dict[str, tuple[str, str]] = {}
        self._ended: set[str] = set()
        self._failures: Counter[str] = Counter()

    def take(self, namespace: tuple[str, ...], part: tuple[BaseMessage, Mapping[str, Any]]) -> None:
        """Write a part of LangGraph's message stream: a chunk, or a message that came as a whole."""
        message, metadata = part
        role = _ROLES.get(message.type)
        if role is None or not message.id:
            return
        id = self.calls.first_id(message.id)
        if id in self._ended:
            return
        reader = self._open.get(id)
        if reader is None:
            reader = self._open[id] = ChunkReader(self._opens(id, about(metadata), namespace, role))
            self._steps[id] = metadata.get("langgraph_node", ""), metadata.get("langgraph_checkpoint_ns", "")
        reader.push(message)
        if not isinstance(message, AIMessageChunk) or message.chunk_position == "last":
            reader.finish()
            self._end(id)

    def _break_off(self, id: str, words: str) -> None:
        """End a message whose call failed; what still comes of it is dropped."""
        step, task = self._steps.get(id, ("", ""))
        self._failures[task] += 1
        again = self._failures[task] < self._tries(step)
        if reader := self._open.get(id):
            reader.fail("restarted" if again else "incomplete", f"The model's answer broke off: {words}.")
        self._end(id)

    def _end(self, id: str) -> None:
        self._ended.add(id)
        self._open.pop(id, None)


def about(metadata: Mapping[str, Any]) -> JsonObject:
    """Return what the start of a message says of where it comes from: plain values, and its tags."""
    found: JsonObject = {
        name: value
        for name, value in metadata.items()
        if not name.startswith("__") and (value is None or type(value) in (str, int, float, bool))
    }
    if tags := metadata.get("tags"):
        found["tags"] = list(tags)
    for word, name in (("provider", "ls_provider"), ("model", "ls_model_name")):
        if name in found:
            found[word] = found[name]
    return found
