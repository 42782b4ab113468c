"""A graph written in Python: two models write at the same time, and wait in the middle for their gates."""

import asyncio
import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph import END, START, StateGraph

from hubbub import hookimpl

FOLDER = Path(__file__).parent.parent


class Slow(BaseChatModel):
    """Streams twenty words; the second half after its gate."""

    word: str

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, messages: Any, *args: Any, **more: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=self.word))])

    async def _astream(self, messages: Any, *args: Any, **more: Any) -> AsyncIterator[ChatGenerationChunk]:
        for number in range(20):
            while number == 10 and not (FOLDER / f"gate-{self.word}").exists():
                await asyncio.sleep(0.005)
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{self.word}{number} "))
            await asyncio.sleep(0.001)


class State(TypedDict, total=False):
    """What was said."""

    word: str
    heard: Annotated[list[str], operator.add]


def _speaker(word: str) -> Any:
    async def speak(state: State) -> State:
        return {"heard": [str((await Slow(word=word).ainvoke("go")).content)]}

    return speak


@hookimpl
def register_graphs() -> list[Any]:
    """Supply the graph `parallel`."""
    graph = StateGraph(State)
    for word in ("left", "right"):
        graph.add_node(word, _speaker(word))
        graph.add_edge(START, word)
        graph.add_edge(word, END)
    return [graph.compile(name="parallel")]
