"""The official Anthropic SDK, unchanged: messages, streams, tools, thoughts and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from llmock.scenarios import Reply, StreamFault, ToolCall
from llmock.testing import LLMockServer

from tests.hub.clients.doors import aliases, answering, vendors

TOOLS: list[Any] = [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]


@pytest.fixture
async def client(tmp_path: Path, upstream: LLMockServer) -> AsyncIterator[AsyncAnthropic]:
    """The SDK at a hub: `up` is passed on to Anthropic, `other` translated for OpenAI, `parrot` is ours."""
    upstream.state.reset()
    models = aliases(up="anthropic:claude-sonnet-4-5", other="openai:gpt-4o")
    async with (
        answering(tmp_path, models=models, plugins=vendors(upstream)) as hub,
        AsyncAnthropic(base_url=hub.url, api_key="any") as made,
    ):
        yield made


def said(text: str) -> Any:
    """Return what a user says."""
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", ["up", "other", "parrot", "echo"])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer(client: AsyncAnthropic, model: str, stream: bool) -> None:
    if stream:
        async with client.messages.stream(model=model, max_tokens=64, messages=said("hello there")) as events:
            pieces = [text async for text in events.text_stream]
            made: Any = await events.get_final_message()
        assert len(pieces) > 1
    else:
        made = await client.messages.create(model=model, max_tokens=64, messages=said("hello there"))
    assert made.content[0].type == "text"
    assert made.content[0].text.strip()
    assert made.stop_reason == "end_turn"
    assert made.usage.output_tokens > 0


async def test_models_are_listed_for_it_too(client: AsyncAnthropic) -> None:
    names = [model.id async for model in client.models.list()]
    assert {"up", "echo"} <= set(names)


@pytest.mark.parametrize("model", ["up", "other", "parrot"])
async def test_calls_of_tools_side_by_side(
    client: AsyncAnthropic, upstream: LLMockServer, model: str
) -> None:
    calls = tuple(ToolCall("weather", {"city": city}) for city in ("Oslo", "Rome"))
    upstream.state.scenarios.add(Reply(tool_calls=calls))
    asked = client.messages.stream(model=model, max_tokens=64, tools=TOOLS, messages=said("call"))
    async with asked as events:
        made = await events.get_final_message()
    found = [block.input for block in made.content if block.type == "tool_use"]
    assert found == [{"city": "Oslo"}, {"city": "Rome"}]
    assert made.stop_reason == "tool_use"


async def test_a_call_whose_arguments_are_no_json_is_an_error(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="calls weather with arguments that are not JSON"):
        await client.messages.create(model="parrot", max_tokens=64, tools=TOOLS, messages=said("miscall"))


async def test_thoughts_have_a_block_and_a_signature(client: AsyncAnthropic) -> None:
    async with client.messages.stream(model="parrot", max_tokens=64, messages=said("think")) as events:
        streamed = await events.get_final_message()
    whole = await client.messages.create(model="parrot", max_tokens=64, messages=said("think"))
    for made in (streamed, whole):
        assert made.content[0].type == "thinking"
        assert (made.content[0].thinking, made.content[0].signature) == ("hm, yes", "c2ln")
        assert made.content[1].type == "text"


async def test_a_conversation_is_translated_whole(client: AsyncAnthropic) -> None:
    messages: Any = [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "42"}]},
        *said("repeat"),
    ]
    made = await client.messages.create(
        model="parrot", max_tokens=64, messages=messages, system=[{"type": "text", "text": "Be kind."}]
    )
    assert made.content[0].type == "text"
    for part in ("Be kind.", "'data': 'QQ=='", "'arguments': '{\"a\":1}'", "'tool_call_id': 'c'"):
        assert part in made.content[0].text


@pytest.mark.parametrize(
    ("words", "error", "status"),
    [
        ("auth", anthropic.InternalServerError, 502),
        ("overloaded", anthropic.InternalServerError, 503),
        ("rate_limit", anthropic.RateLimitError, 429),
        ("too_long", anthropic.BadRequestError, 400),
    ],
)
async def test_failures_have_the_sdks_errors(
    client: AsyncAnthropic, words: str, error: type[anthropic.APIStatusError], status: int
) -> None:
    with pytest.raises(error, match="The parrot will not") as caught:
        await client.messages.create(model="parrot", max_tokens=64, messages=said(words))
    assert caught.value.status_code == status
    assert caught.value.response.headers["x-should-retry"] == "false"


async def test_an_unknown_model_is_told(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="no model claude-9"):
        await client.messages.create(model="claude-9", max_tokens=64, messages=said("hi"))


@pytest.mark.parametrize("model", ["up", "parrot"])
async def test_a_stream_that_breaks_ends_with_an_error(
    client: AsyncAnthropic, upstream: LLMockServer, model: str
) -> None:
    upstream.state.scenarios.add(StreamFault("disconnect", after_chunks=6))
    asked = client.messages.stream(model=model, max_tokens=64, messages=said("break"))
    with pytest.raises(anthropic.APIError, match="broke off"):
        async with asked as events:
            await events.get_final_message()
