"""The official SDK beside a hub that serves a LangGraph application, unchanged."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
from langchain_core.messages import messages_from_dict
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from hub.app import Server, serve
from runtime.engine import open_engine
from runtime.settings import GraphsSettings, HubSettings, Settings

Transport = Literal["websocket", "sse"]

HI: Any = {"messages": [{"role": "user", "content": "2 + 3?"}]}

both = pytest.mark.parametrize("transport", ["websocket", "sse"])


@pytest.fixture
async def served(tmp_path: Path, application: Path) -> AsyncIterator[Server]:
    """A hub in a folder that has nothing but the application."""
    settings = Settings(
        workspace=tmp_path,
        hub=HubSettings(port=0, drain=1.0),
        graphs=GraphsSettings(langgraph=application),
    )
    storage = settings.storage.model_copy(update={"path": tmp_path / "var"})
    engine = await open_engine(settings.model_copy(update={"storage": storage}))
    server = await serve(engine)
    yield server
    await server.stop()
    for name in [name for name in sys.modules if name.startswith("langgraph_app__")]:
        del sys.modules[name]


@pytest.fixture
def client(served: Server) -> LangGraphClient:
    return get_client(url=served.url)


async def texts_of(messages: Any) -> list[str]:
    """Return the whole text of each message, read side by side."""

    async def text(message: Any) -> str:
        return "".join([piece async for piece in message.text])

    return await asyncio.gather(*[asyncio.create_task(text(message)) async for message in messages])


# --------------------------------------------------------------------------- threads


@both
async def test_messages_are_streamed(client: LangGraphClient, transport: Transport) -> None:
    async with client.threads.stream(assistant_id="chat", transport=transport) as thread:
        await thread.run.start(input=HI)
        assert await asyncio.wait_for(texts_of(thread.messages), 10) == ["one two three ", "four five "]


@both
async def test_a_streamed_message_is_the_one_in_the_state(
    client: LangGraphClient, transport: Transport
) -> None:
    """By its id `useStream` knows that they are one."""
    async with client.threads.stream(assistant_id="agent", transport=transport) as thread:
        await thread.run.start(input=HI)
        streamed = [message async for message in thread.messages]
        values = await asyncio.wait_for(thread.output, 10)
    shown = [message["id"] for message in values["messages"] if message["type"] == "ai"]
    assert [message.message_id for message in streamed] == shown


@both
async def test_calls_of_tools_are_handles(client: LangGraphClient, transport: Transport) -> None:
    async with client.threads.stream(assistant_id="agent", transport=transport) as thread:
        await thread.run.start(input=HI)
        calls = [call async for call in thread.tool_calls]
        (call,) = calls
        assert (call.name, call.input) == ("add", {"a": 2, "b": 3})
        output = await asyncio.wait_for(call.output, 10)
    assert (output["type"], output["content"], output["tool_call_id"]) == ("tool", "5", "call-1")


@both
async def test_graphs_inside_are_handles_with_messages_of_their_own(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="team", transport=transport) as thread:
        await thread.run.start(input=HI)
        reading = {}
        async for inner in thread.subgraphs:
            reading[inner.graph_name] = inner, asyncio.create_task(texts_of(inner.messages))
        (name,) = reading
        inner, texts = reading[name]
        assert (name, inner.status) == ("helper", "completed")
        assert await asyncio.wait_for(texts, 10) == ["", "It is 5 "]


@both
async def test_a_question_is_seen(client: LangGraphClient, transport: Transport) -> None:
    async with client.threads.stream(assistant_id="ask", transport=transport) as thread:
        await thread.run.start(input={"question": "go"})
        async with asyncio.timeout(10):
            async for _ in thread.values:
                pass
            while not thread.interrupts:
                await asyncio.sleep(0.01)
        assert thread.interrupts[0]["value"] == {"may I": "go"}


# --------------------------------------------------------------------------- runs


async def test_messages_tuple_gives_chunks_and_where_they_come_from(client: LangGraphClient) -> None:
    parts = [
        part
        async for part in client.runs.stream(None, "chat", input=HI, stream_mode=["messages-tuple", "values"])
    ]
    chunks = [part.data for part in parts if part.event == "messages"]
    texts = [(about["langgraph_node"], chunk["content"]) for chunk, about in chunks if chunk["content"]]
    assert texts == [
        *(("answer", "one "), ("answer", "two "), ("answer", "three ")),
        *(("direct", "four "), ("direct", "five ")),
    ]
    last = [part.data for part in parts if part.event == "values"][-1]
    assert [message["type"] for message in last["messages"]] == ["human", "ai", "ai"]


async def test_messages_are_what_langchain_reads(client: LangGraphClient) -> None:
    values: Any = await client.runs.wait(None, "agent", input=HI)
    read = messages_from_dict([{"type": each["type"], "data": each} for each in values["messages"]])
    assert [type(message).__name__ for message in read] == [
        *("HumanMessage", "AIMessage"),
        *("ToolMessage", "AIMessage"),
    ]
    assert read[1].tool_calls[0]["args"] == {"a": 2, "b": 3}  # type: ignore[attr-defined]


async def test_values_that_are_no_object_are_one(client: LangGraphClient) -> None:
    assert await client.runs.wait(None, "double", input={"number": 21}) == {"output": 42}


async def test_context_and_configurable_are_taken(client: LangGraphClient) -> None:
    values: Any = await client.runs.wait(
        None, "made", input={"question": "why"}, config={"configurable": {"who": "Ada"}}
    )
    assert values["found"] == "why for Ada"
    parts = [
        part.data
        async for part in client.runs.stream(
            None, "team", input=HI, context={"name": "Ada"}, stream_mode="custom"
        )
        if part.event == "custom"
    ]
    assert parts == [{"hello": "Ada"}]


async def test_subgraphs_are_streamed_when_asked_for(client: LangGraphClient) -> None:
    events = {
        part.event.partition(":")[0]
        async for part in client.runs.stream(
            None, "team", input=HI, stream_mode=["messages-tuple", "updates"], stream_subgraphs=True
        )
    }
    assert {"messages|helper", "updates|helper", "updates"} <= events


async def test_a_failed_step_is_the_error_of_the_run(client: LangGraphClient) -> None:
    parts = [part async for part in client.runs.stream(None, "failing", input={"question": "way"})]
    assert parts[-1].event == "error"
    assert parts[-1].data["message"] == "The step fails failed: ValueError: no way."


# --------------------------------------------------------------------------- assistants


async def test_every_graph_is_an_assistant(client: LangGraphClient, application: Path) -> None:
    found = await client.assistants.search(limit=100)
    assert {"chat", "agent", "team", "double", "made"} <= {each["graph_id"] for each in found}
    assert (await client.assistants.get("chat"))["description"] == "Answers in three words, then in two."


async def test_schemas_drawings_and_graphs_inside(client: LangGraphClient) -> None:
    schemas: Any = await client.assistants.get_schemas("team")
    assert schemas["context_schema"]["properties"] == {"name": {"title": "Name", "type": "string"}}
    assert "messages" in schemas["input_schema"]["properties"]
    flat: Any = await client.assistants.get_graph("team")
    deep: Any = await client.assistants.get_graph("team", xray=True)
    assert {node["id"] for node in flat["nodes"]} == {"__start__", "greet", "helper", "__end__"}
    assert "helper:tools" in {node["id"] for node in deep["nodes"]}
    inside: Any = await client.assistants.get_subgraphs("team", recurse=True)
    assert "messages" in inside["helper"]["state_schema"]["properties"]
    assert (await client.assistants.get_subgraphs("team", namespace="helper")).keys() == {"helper"}


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/assistants/team/graph?xray=deep", 422, "`xray` is true, false or a number of levels"),
        ("/assistants/team/graph?xray=0", 422, "`xray` is true, false or a number of levels"),
        ("/assistants/team/subgraphs/helpre", 404, "there is helper"),
        ("/assistants/chat/subgraphs/helper", 404, "there is none"),
    ],
)
async def test_what_is_not_there_is_said(served: Server, path: str, status: int, sentence: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}{path}") as answer:
        assert answer.status == status
        assert sentence in (await answer.json())["detail"]
