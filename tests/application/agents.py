"""Graphs of every kind that LangGraph offers, with models that stream what a script says."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

LEDGER = Path(__file__).parent / "ledger"


class Scripted(BaseChatModel):
    """Streams chunks; `broken` of its calls end in the middle."""

    chunks: Sequence[Any] = ()
    broken: int = 0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    def _script(self, messages: list[BaseMessage]) -> Sequence[Any]:
        return self.chunks

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for chunk in self._script(messages):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for number, chunk in enumerate(self._script(messages)):
            if number and self.broken:
                self.broken -= 1
                raise ConnectionError("the line went dead")
            yield ChatGenerationChunk(message=chunk.model_copy())
            await asyncio.sleep(0)


def words(text: str) -> list[Any]:
    return [AIMessageChunk(content=f"{word} ") for word in text.split()]


class Adder(Scripted):
    """Thinks, calls the tool `add`, and says what came of it."""

    def _script(self, messages: list[BaseMessage]) -> Sequence[Any]:
        if isinstance(messages[-1], ToolMessage):
            used = UsageMetadata(input_tokens=3, output_tokens=4, total_tokens=7)
            return [*words(f"It is {messages[-1].content}"), AIMessageChunk(content="", usage_metadata=used)]
        call = ToolCallChunk(name="add", args='{"a": 2, ', id="call-1", index=1)
        rest = ToolCallChunk(name=None, args='"b": 3}', id=None, index=1)
        return [
            AIMessageChunk(content=[{"type": "reasoning", "reasoning": "two and ", "index": 0}]),
            AIMessageChunk(content=[{"type": "reasoning", "reasoning": "three", "index": 0}]),
            AIMessageChunk(content="", tool_call_chunks=[call]),
            AIMessageChunk(content="", tool_call_chunks=[rest]),
        ]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def graph_of(*nodes: Any, state: Any = MessagesState, **options: Any) -> Any:
    builder = StateGraph(state, **options)
    builder.add_sequence(list(nodes))
    builder.add_edge(START, nodes[0].__name__)
    return builder


# --------------------------------------------------------------------------- messages


async def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await Scripted(chunks=words("one two three")).ainvoke(state["messages"])]}


async def direct(state: MessagesState) -> dict[str, Any]:
    whole = None
    async for chunk in Scripted(chunks=words("four five")).astream(state["messages"]):
        whole = chunk if whole is None else whole + chunk
    return {"messages": [whole]}


def threaded(state: MessagesState) -> dict[str, Any]:
    return {"messages": [Scripted(chunks=words("from a thread")).invoke(state["messages"])]}


async def fake(state: MessagesState) -> dict[str, Any]:
    model = GenericFakeChatModel(messages=iter([AIMessage(content="a fake answer")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


async def literal(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(content="as it is", id="fixed")]}


async def renamed(state: MessagesState) -> dict[str, Any]:
    """The vendor names the message in its second chunk only."""
    chunks = [AIMessageChunk(content="a "), AIMessageChunk(content="b ", id="vendor"), *words("c")]
    return {"messages": [await Scripted(chunks=chunks).ainvoke(state["messages"])]}


flaky_model = Scripted(chunks=words("whole this time"), broken=1)


async def flaky(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await flaky_model.ainvoke(state["messages"])]}


chat = graph_of(answer, direct).compile(checkpointer=InMemorySaver())
uncompiled = graph_of(threaded)
fakes = graph_of(fake, literal, renamed).compile()
retried = StateGraph(MessagesState)
retried.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
retried.add_edge(START, "flaky")

# --------------------------------------------------------------------------- tools, graphs inside


class Who(TypedDict):
    name: str


async def greet(state: MessagesState, runtime: Runtime[Who]) -> dict[str, Any]:
    get_stream_writer()({"hello": (runtime.context or {}).get("name")})
    return {}


agent = create_agent(Adder(), [add])
team = StateGraph(MessagesState, context_schema=Who)
team.add_node("greet", greet)
team.add_node("helper", create_agent(Adder(), [add], name="calculator"))
team.add_edge(START, "greet")
team.add_edge("greet", "helper")

calculator: Any = create_agent(Adder(), [add], name="calculator")


@tool
async def consult(question: str) -> str:
    """Ask another agent."""
    found = await calculator.ainvoke({"messages": [("user", question)]})
    return str(found["messages"][-1].content)


class Boss(Scripted):
    """Consults, and says that it has."""

    def _script(self, messages: list[BaseMessage]) -> Sequence[Any]:
        if isinstance(messages[-1], ToolMessage):
            return words("as I said")
        call = ToolCallChunk(name="consult", args='{"question": "2 + 3?"}', id="call-boss", index=0)
        return [AIMessageChunk(content="", tool_call_chunks=[call])]


boss = create_agent(Boss(), [consult], name="boss")


class Many(TypedDict):
    items: list[int]
    said: Annotated[list[str], operator.add]


class One(TypedDict):
    item: int
    said: Annotated[list[str], operator.add]


async def say(state: One) -> dict[str, Any]:
    message = await Scripted(chunks=words(f"item {state['item']}")).ainvoke("say it")
    return {"said": [message.content]}


many = StateGraph(Many)
many.add_node("each", graph_of(say, state=One).compile())
many.add_conditional_edges(START, lambda state: [Send("each", {"item": item}) for item in state["items"]])

# --------------------------------------------------------------------------- functions


@task
def twice(number: int) -> int:
    time.sleep(0.02)
    return number * 2


@entrypoint()
def double(inputs: dict[str, Any]) -> int:
    found: int = twice(inputs["number"]).result()
    return found


@entrypoint()
async def shout(text: str) -> str:
    return text.upper()


class Asked(TypedDict):
    question: str
    found: str


async def louder(state: Asked) -> dict[str, str]:
    found: Any = await shout.ainvoke(state["question"])
    return {"found": found}


# --------------------------------------------------------------------------- made for each run


async def make(config: Any) -> Any:
    who = config["configurable"].get("who", "nobody")

    async def look(state: Asked) -> dict[str, str]:
        return {"found": f"{state['question']} for {who}"}

    return graph_of(look, state=Asked)


@asynccontextmanager
async def held(config: Any) -> AsyncIterator[Any]:
    thread = config["configurable"].get("thread_id", "no thread")
    with LEDGER.open("a") as ledger:
        ledger.write(f"open {thread}\n")
    yield await make(config)
    with LEDGER.open("a") as ledger:
        ledger.write(f"close {thread}\n")


# --------------------------------------------------------------------------- people, failures


async def permission(state: Asked) -> dict[str, str]:
    return {"found": interrupt({"may I": state["question"]})}


async def fails(state: Asked) -> dict[str, str]:
    raise ValueError(f"no {state['question']}")


class Odd:
    """What is no JSON."""


class Holding(TypedDict):
    question: str
    thing: Any


async def holds(state: Holding) -> dict[str, Any]:
    return {"thing": Odd()}


class Lead(BaseModel):
    email: str
    score: float = 0.0


class Leads(BaseModel):
    lead: Lead
    found: list[Lead] = []


async def score(state: Leads) -> dict[str, Any]:
    return {"found": [Lead(email=state.lead.email, score=0.5)]}


def sleeps(state: Asked) -> dict[str, str]:
    time.sleep(0.5)
    return {"found": "slept"}


async def again(state: Asked) -> dict[str, str]:
    return {"found": state.get("found", "") + "."}


class Count(TypedDict):
    dots: Annotated[str, operator.add]


async def dot(state: Count) -> dict[str, str]:
    return {"dots": "."}


async def note(state: Asked, runtime: Runtime[None]) -> dict[str, str]:
    assert runtime.store
    seen = await runtime.store.aget(("notes",), "all")
    dots = (seen.value["dots"] if seen else "") + "."
    await runtime.store.aput(("notes",), "all", {"dots": dots})
    return {"found": dots}


noting = graph_of(note, state=Asked)
counting = graph_of(dot, state=Count).compile(checkpointer=True)


async def remember(state: Asked) -> dict[str, str]:
    return {"found": (await counting.ainvoke({"dots": ""}))["dots"]}


remembering = graph_of(remember, state=Asked)
shouting = graph_of(louder, state=Asked)
ask = graph_of(permission, state=Asked).compile()
failing = graph_of(fails, state=Asked).compile()
odd = graph_of(holds, state=Holding).compile()
leads = graph_of(score, state=Leads).compile()
sleeping = graph_of(sleeps, state=Asked).compile()
endless = graph_of(again, state=Asked)
endless.add_edge("again", "again")
