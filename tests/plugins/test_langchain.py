"""LangChain's chat models answer for an alias, its tools and retrievers are ours, and our models are its."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel, Field

from hubbub import ChatRequest, Delta, InvalidInput, ModelError, Reply, ToolCall, Usage
from hubbub.langchain import chat_model, retriever, tool
from hubbub.testing import FakeContext, ProviderTests, RetrieverTests, ToolTests
from plugins.langchain import LangChain, Reader, Settings, register_providers
from runtime.gateway.reply import ReplyBuilder

FAKE = "langchain_core.language_models:FakeListChatModel"


class Careful(BaseChatModel):
    """A chat model as vendors' packages write them: streams words, calls a tool, says what it used."""

    max_retries: int = 5
    seen: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "careful"

    def _generate(self, messages: list[BaseMessage], *args: Any, **more: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("whole"))])

    def bind_tools(self, tools: Sequence[Any], **more: Any) -> Any:
        return self.bind(tools=tools, **more)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **more: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.seen.append(messages)
        if not more.get("tools") or isinstance(messages[-1], ToolMessage):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"It is {messages[-1].text}"))
            end = AIMessageChunk(
                content="",
                response_metadata={"finish_reason": "stop"},
                usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
            )
            yield ChatGenerationChunk(message=end)
            return
        name = more["tools"][0]["function"]["name"]
        for piece in ({"name": name, "id": "c1", "args": ""}, {"args": '{"city": '}, {"args": '"Rome"}'}):
            call: Any = {"name": None, "id": None, "index": 0, "type": "tool_call_chunk", **piece}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", response_metadata={"stop_reason": "tool_use"})
        )


CAREFUL = Careful()


def broken() -> BaseChatModel:
    """Make nothing."""
    raise ValueError("the vendor has no such model")


class TestLangChain(ProviderTests):
    model = FAKE

    def make(self) -> LangChain:
        return LangChain({FAKE: {"responses": ["four words are said"]}})


@langchain_tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


class TestTool(ToolTests):
    def make(self) -> Any:
        return tool(weather)

    def arguments(self) -> Any:
        return {"city": "Rome"}


class Shelf(BaseRetriever):
    """Finds the same three documents."""

    def _get_relevant_documents(self, query: str, **more: Any) -> list[Document]:
        return [Document(f"{query} {n}", metadata={"source": "shelf.md"}) for n in range(3)]


class TestRetriever(RetrieverTests):
    def make(self) -> Any:
        return retriever(Shelf(), "shelf")


async def answered(model: str, options: Any = None, **request: Any) -> Reply:
    whole = ReplyBuilder()
    asked = ChatRequest(model, **{"messages": [{"role": "user", "content": "hello"}], **request})
    async for delta in LangChain(options or {}).stream(asked, FakeContext()):
        whole.add(delta)
    return whole.reply()


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that a module holds."""
    import sys
    import types

    module = types.ModuleType("vendor_of_tests")
    module.Careful, module.READY, module.broken = Careful, CAREFUL, broken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vendor_of_tests", module)
    CAREFUL.seen.clear()
    return "vendor_of_tests:READY"


TOOLS = [{"name": "weather", "description": "Weather.", "parameters": {"type": "object", "properties": {}}}]


async def test_a_class_is_made_with_its_options_and_a_model_is_taken_as_it_is(careful: str) -> None:
    assert (await answered(FAKE, {FAKE: {"responses": ["said"]}})).text == "said"
    assert (await answered(careful)).text == "It is hello"
    provider = LangChain({})
    made = await provider._model("vendor_of_tests:Careful")
    assert made.max_retries == 0


async def test_a_tool_call_arrives_in_pieces_and_its_result_goes_back(careful: str) -> None:
    reply = await answered(careful, tools=TOOLS, tool_choice="required")
    assert (reply.finish, reply.tool_calls) == (
        "tool_calls",
        (ToolCall(0, "c1", "weather", '{"city": "Rome"}'),),
    )
    said = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "name": "weather", "arguments": "{}"}],
    }
    told = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
    reply = await answered(careful, tools=TOOLS, messages=[{"role": "user", "content": "x"}, said, told])
    assert (reply.text, reply.finish, reply.usage) == ("It is sunny", "stop", Usage(7, 2))
    assert [type(message).__name__ for message in CAREFUL.seen[-1]] == [
        "HumanMessage",
        "AIMessage",
        "ToolMessage",
    ]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("vendor_of_tests:broken", "cannot be made (the vendor has no such model)"),
        ("vendor_of_tests:Missing", "cannot be made"),
        ("no_such_module_at_all:Model", "cannot be made"),
        ("json:dumps", "cannot be made"),
        ("json:JSONDecoder", "is a JSONDecoder, not a chat model"),
    ],
)
async def test_what_is_no_chat_model_is_said_with_a_remedy(careful: str, model: str, words: str) -> None:
    with pytest.raises(ModelError) as told:
        await answered(model)
    assert words in str(told.value)
    assert told.value.reason == "invalid"


@pytest.mark.parametrize("more", [{"response_format": {"type": "json"}}, {"reasoning": "high"}])
async def test_what_not_every_model_understands_is_refused(careful: str, more: Any) -> None:
    with pytest.raises(InvalidInput, match="or name another candidate"):
        await answered(careful, **more)


async def test_a_model_without_tools_says_so() -> None:
    with pytest.raises(InvalidInput, match="takes no tools"):
        await answered(FAKE, {FAKE: {"responses": ["x"]}}, tools=TOOLS)


def test_the_settings_hold_what_each_model_is_made_with() -> None:
    (provider,) = register_providers(Settings(options={FAKE: {"responses": ["x"]}}))
    assert provider.name == "langchain"


class Handle:
    """A `ModelHandle` that calls the weather once, and then tells it."""

    def __init__(self) -> None:
        self.asked: list[ChatRequest] = []

    def pieces(self, request: ChatRequest) -> list[Delta]:
        self.asked.append(request)
        last = request.messages[-1]
        if last["role"] == "tool":
            return [
                Delta(text="It is "),
                Delta(text=last["content"]),
                Delta(usage=Usage(9, 4), finish="stop"),
            ]
        call = ToolCall(0, "c1", request.tools[0]["name"], '{"city": "Rome"}')
        return [Delta(tool_call=call), Delta(usage=Usage(5, 3), finish="tool_calls")]

    async def complete(self, request: ChatRequest, on_delta: Callable[[Delta], None] | None = None) -> Reply:
        whole = ReplyBuilder("handle")
        for piece in self.pieces(request):
            whole.add(piece)
        return whole.reply()

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        for piece in self.pieces(request):
            yield piece


async def test_a_model_of_the_hub_runs_create_agent() -> None:
    agent: Any = create_agent(chat_model(Handle()), [weather])
    state = await agent.ainvoke({"messages": [HumanMessage("How is it in Rome?")]})
    last = state["messages"][-1]
    assert (last.text, last.usage_metadata["input_tokens"]) == ("It is sunny in Rome", 9)
    assert last.response_metadata == {"model_name": "handle", "finish_reason": "stop"}


async def test_its_tokens_and_tool_calls_stream_through_langgraph() -> None:
    agent: Any = create_agent(chat_model(Handle()), [weather])
    begun = {"messages": [HumanMessage("How is it in Rome?")]}
    chunks = [chunk async for chunk, _ in agent.astream(begun, stream_mode="messages")]
    assert [chunk.text for chunk in chunks if isinstance(chunk, AIMessageChunk) and chunk.text] == [
        "It is ",
        "sunny in Rome",
    ]
    calls = [call for chunk in chunks if isinstance(chunk, AIMessageChunk) for call in chunk.tool_call_chunks]
    assert [call["name"] for call in calls] == ["weather"]


async def test_an_answer_can_have_a_shape() -> None:
    class Forecast(BaseModel):
        """A forecast."""

        city: str

    handle = Handle()
    model = chat_model(handle).with_structured_output(Forecast)
    assert await model.ainvoke("How is it in Rome?") == Forecast(city="Rome")
    assert handle.asked[0].tool_choice == "required"


async def test_a_model_of_the_hub_has_no_sync_twin() -> None:
    with pytest.raises(InvalidInput, match="call ainvoke"):
        await asyncio.to_thread(chat_model(Handle()).invoke, "hello")


def test_a_whole_message_is_read_like_a_stream() -> None:
    reader, whole = Reader(), ReplyBuilder()
    call: Any = {"name": "weather", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}
    for delta in [*reader.deltas(AIMessage("So:", tool_calls=[call])), reader.last()]:
        whole.add(delta)
    reply = whole.reply()
    assert (reply.text, reply.tool_calls) == ("So:", (ToolCall(0, "c1", "weather", '{"city":"Rome"}'),))
    assert reply.finish == "tool_calls"
