"""A provider that says what it is told, graphs written in Python whose model does the same, and a step.

Some words do something: `[gate:NAME]` waits until the step `open` opens the gate, `[fail]` breaks the answer
off, `[call:TOOL]` asks for a tool with the arguments {"place": "pier"}, in two pieces.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel

from hubbub import ChatRequest, Context, Delta, ModelError, ToolCall, Usage, hookimpl

gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


class Teller:
    """`teller:any` says the last message."""

    name = "teller"

    async def stream(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Delta]:
        """Yield the words one by one."""
        words = str(request.messages[-1]["content"]).split()
        for word in words:
            kind, _, name = word.strip("[]").partition(":")
            match kind if word.startswith("[") else "":
                case "gate":
                    await gates[name].wait()
                case "fail":
                    raise ModelError("The teller has lost its voice; ask another one.")
                case "call":
                    yield Delta(tool_call=ToolCall(0, "call-1", name, '{"place":'))
                    yield Delta(tool_call=ToolCall(0, "", "", ' "pier"}'))
                case _:
                    yield Delta(text=f"{word} ")
        yield Delta(usage=Usage(input_tokens=1, output_tokens=len(words)), finish="stop")


class Open:
    """Opens a gate for good."""

    name = "open"

    class Params(BaseModel):
        """Which one."""

        gate: str

    async def run(self, state: Mapping[str, Any], params: Params, ctx: Context) -> str:
        """Return its name."""
        gates[params.gate].set()
        return params.gate


class Echo(BaseChatModel):
    """Says the last message, word by word."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in str(messages[-1].content).split():
            if word.startswith("[gate:"):
                await gates[word[6:-1]].wait()
                continue
            await asyncio.sleep(0)
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


async def answer(state: MessagesState) -> dict[str, Any]:
    """Say the last message again."""
    return {"messages": [await Echo().ainvoke(state["messages"][-1:])]}


async def ask(state: MessagesState) -> dict[str, Any]:
    """Ask a person, and say what was answered."""
    get_stream_writer()({"done": 0.5})
    decision = interrupt({"question": "Go on?"})
    return {"messages": [("ai", f"decided {decision}")]}


def voice(name: str) -> Any:
    """Return a step that speaks under its own name."""

    async def speak(state: MessagesState) -> dict[str, Any]:
        words = [f"{name}{number}" for number in range(20)]
        return {"messages": [await Echo().ainvoke(" ".join(words))]}

    return speak


def inside() -> Any:
    """Return a graph that is a step of another one."""
    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()


@hookimpl
def register_providers() -> list[Teller]:
    """Supply the provider."""
    return [Teller()]


@hookimpl
def register_steps() -> list[Open]:
    """Supply the step."""
    return [Open()]


@hookimpl
def register_graphs() -> dict[str, Any]:
    """Supply the graphs."""
    duet = StateGraph(MessagesState)
    for name in ("left", "right"):
        duet.add_node(name, voice(name))
        duet.add_edge(START, name)
    question = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask")
    nested = StateGraph(MessagesState).add_node("within", inside()).add_edge(START, "within")
    return {"echo": inside(), "duet": duet, "question": question, "nested": nested}
