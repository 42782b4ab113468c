"""The floor: the same work in plain LangGraph, in one process, with a memory saver."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any, TypedDict

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph


class _State(TypedDict, total=False):
    question: str
    answer: str


class TokenModel(BaseChatModel):
    """A LangChain chat model that streams `count` tokens at once."""

    count: int = 20

    @property
    def _llm_type(self) -> str:
        return "tokens"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        text = "".join(f"word{number} " for number in range(self.count))
        return ChatResult(generations=[ChatGeneration(message=AIMessageChunk(content=text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for number in range(self.count):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"word{number} "))
            if run_manager:
                run_manager.on_llm_new_token(f"word{number} ", chunk=chunk)
            yield chunk


def streaming_graph(tokens: int) -> Any:
    """Return a compiled graph of one step that streams `tokens` tokens."""
    model = TokenModel(count=tokens)

    async def write(state: _State) -> _State:
        parts = [str(chunk.content) async for chunk in model.astream(state["question"])]
        return {"answer": "".join(parts)}

    graph = StateGraph(_State)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    return graph.compile(checkpointer=InMemorySaver())


def trivial_graph() -> Any:
    """Return a compiled graph of one step that does nothing much."""

    async def greet(state: _State) -> _State:
        return {"answer": f"Hello {state['question']}"}

    graph = StateGraph(_State)
    graph.add_node("greet", greet)
    graph.add_edge(START, "greet")
    graph.add_edge("greet", END)
    return graph.compile(checkpointer=InMemorySaver())


def _config() -> Any:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


async def first_token(runs: int) -> list[float]:
    """Return seconds to the first token of the message stream, one run at a time."""
    graph, seconds = streaming_graph(20), []
    for _ in range(runs):
        started = time.perf_counter()
        async for chunk, _about in graph.astream({"question": "hi"}, _config(), stream_mode="messages"):
            if chunk.content:
                seconds.append(time.perf_counter() - started)
                break
    return seconds


async def runs_per_second(total: int, at_once: int) -> float:
    """Return trivial runs a second, `at_once` at a time."""
    graph = trivial_graph()

    async def worker() -> None:
        for _ in range(total // at_once):
            await graph.ainvoke({"question": "you"}, _config())

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return total / (time.perf_counter() - started)


async def tokens_per_second(runs: int, tokens: int) -> float:
    """Return tokens a second through the message stream, all runs at once."""
    graph = streaming_graph(tokens)

    async def one() -> int:
        stream = graph.astream({"question": "hi"}, _config(), stream_mode="messages")
        return sum([1 async for chunk, _about in stream if chunk.content])

    started = time.perf_counter()
    counted = await asyncio.gather(*(one() for _ in range(runs)))
    assert set(counted) == {tokens}, counted
    return sum(counted) / (time.perf_counter() - started)
