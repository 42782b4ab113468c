"""The official OpenAI SDK at `/v1/responses`, and the provider that speaks this language upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from hubbub import Context, InvalidInput
from plugins import openai_responses
from runtime.settings import PluginsSettings
from tests.hub.clients.doors import aliases, answering
from tests.vendors.conftest import MARKER, aimock, ctx  # noqa: F401 - fixtures
from tests.vendors.test_vocabulary import PIXEL, WEATHER, answer, asked

TOOLS: list[Any] = [{"type": "function", "name": "weather", "parameters": WEATHER["parameters"]}]


@pytest.fixture
async def client(tmp_path: Path, aimock: str) -> AsyncIterator[AsyncOpenAI]:  # noqa: F811
    """The SDK at a hub: `up` is passed on, `chat` translated for chat completions, `parrot` is ours."""
    table = {"api_key": MARKER, "base_url": f"{aimock}/v1"}
    plugins = PluginsSettings(tables={"openai": table, "openai_responses": table})
    models = aliases(up="openai-responses:gpt-5", chat="openai:gpt-4o")
    async with (
        answering(tmp_path, models=models, plugins=plugins) as hub,
        AsyncOpenAI(base_url=f"{hub.url}/v1", api_key="any") as made,
    ):
        yield made


@pytest.mark.parametrize("model", ["up", "chat", "parrot", "echo"])
async def test_an_answer(client: AsyncOpenAI, model: str) -> None:
    made = await client.responses.create(model=model, input="say hello", instructions="Be kind.")
    assert made.output_text.strip()
    assert made.status == "completed"
    assert made.usage


@pytest.mark.parametrize("model", ["up", "chat", "parrot", "echo"])
async def test_a_streamed_answer_is_put_together_by_the_sdk(client: AsyncOpenAI, model: str) -> None:
    async with client.responses.stream(model=model, input="say hello") as events:
        seen = [event async for event in events]
        final = await events.get_final_response()
    texts = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert len(texts) > 1
    assert final.output_text == "".join(texts)
    if model != "up":  # aimock gives its events no numbers
        stream = await client.responses.create(model=model, input="say hello", stream=True)
        numbers = [event.sequence_number async for event in stream]
        assert numbers == sorted(set(numbers))
        assert numbers[:2] == [0, 1]


@pytest.mark.parametrize("model", ["up", "chat", "parrot"])
async def test_calls_of_tools_side_by_side(client: AsyncOpenAI, model: str) -> None:
    said = "call" if model == "parrot" else "look it up"
    async with client.responses.stream(model=model, input=said, tools=TOOLS) as events:
        streamed = await events.get_final_response()
    whole = await client.responses.create(model=model, input=said, tools=TOOLS)
    for made in (streamed, whole):
        calls: Any = [item for item in made.output if item.type == "function_call"]
        assert [json.loads(call.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]


async def test_thoughts_are_items(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model="parrot", input="think") as events:
        streamed = await events.get_final_response()
    whole = await client.responses.create(model="parrot", input="think")
    for made in (streamed, whole):
        assert [item.type for item in made.output] == ["reasoning", "message"]
        first: Any = made.output[0]
        assert first.summary[0].text == "hm, yes"


async def test_a_conversation_with_calls_and_images_is_translated_whole(client: AsyncOpenAI) -> None:
    given: Any = [
        {"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "42"},
        {"role": "user", "content": "repeat"},
    ]
    made = await client.responses.create(model="parrot", input=given)
    for part in (f"'data': '{PIXEL}'", "'name': 'f'", "'tool_call_id': 'c'", "42"):
        assert part in made.output_text


async def test_a_shape_is_parsed(client: AsyncOpenAI) -> None:
    class Place(BaseModel):
        city: str

    made = await client.responses.parse(model="chat", input="as JSON", text_format=Place)
    assert made.output_parsed == Place(city="Oslo")


async def test_a_cut_answer_is_incomplete(client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="parrot", input="a b", max_output_tokens=1)
    assert made.status == "incomplete"
    assert made.incomplete_details
    assert made.incomplete_details.reason == "max_output_tokens"


async def test_a_stream_that_breaks_ends_with_an_error(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="parrot", input="break", stream=True)
    events: list[Any] = [event async for event in stream]
    assert "response.output_text.delta" in [event.type for event in events]
    assert (events[-1].type, events[-1].code) == ("error", "incomplete")
    assert "broke off" in events[-1].message


async def test_what_nobody_keeps_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="There is no response resp_1") as caught:
        await client.responses.create(model="parrot", input="hi", previous_response_id="resp_1")
    assert caught.value.code == "previous_response_not_found"
    with pytest.raises(openai.BadRequestError, match="Conversations are not kept"):
        await client.responses.create(model="parrot", input="hi", conversation="conv_1")


@pytest.mark.parametrize("model", ["up", "chat", "parrot"])
async def test_a_conversation_goes_on_from_what_is_stored(client: AsyncOpenAI, model: str) -> None:
    first = await client.responses.create(model=model, input="say hello")
    second = await client.responses.create(
        model="parrot", input=[{"role": "user", "content": "repeat"}], previous_response_id=first.id
    )
    assert "say hello" in second.output_text
    assert first.output_text.strip() in second.output_text
    third = await client.responses.create(model=model, input="say hello", previous_response_id=second.id)
    assert third.output_text
    items = [item async for item in client.responses.input_items.list(third.id, order="asc", limit=2)]
    assert [getattr(item, "role", "") for item in items] == ["user", "assistant", "user", "assistant", "user"]
    newest = [item async for item in client.responses.input_items.list(third.id)]
    assert [item.id for item in newest] == [item.id for item in reversed(items)]


# --------------------------------------------------------------------------- the provider


@pytest.fixture
def provider(aimock: str) -> openai_responses.OpenAIResponses:  # noqa: F811
    """The provider, played by aimock."""
    settings = openai_responses.Settings(api_key=MARKER, base_url=f"{aimock}/v1")
    return openai_responses.register_providers(settings)[0]


async def test_the_provider_speaks_the_whole_vocabulary(provider: Any, ctx: Context) -> None:  # noqa: F811
    hello, pieces = await answer(provider, asked({"role": "system", "content": "Be kind."}, "say hello"), ctx)
    assert (hello.text, hello.finish) == ("Hello there, friend.", "stop")
    assert len(pieces) > 3
    assert hello.usage.output_tokens > 0
    thought, _ = await answer(provider, asked("think first", reasoning="low"), ctx)
    assert (thought.text, thought.reasoning) == ("It is 4.", "Two and two are four.")
    called, _ = await answer(provider, asked("look it up", tools=[WEATHER]), ctx)
    assert called.finish == "tool_calls"
    assert [json.loads(call.arguments) for call in called.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    with pytest.raises(InvalidInput, match="neither seed nor stop"):
        await answer(provider, asked("say hello", seed=1), ctx)


def test_kept_thoughts_calls_and_results_go_back() -> None:
    said = {
        "role": "assistant",
        "content": [{"type": "reasoning", "text": "hm", "signature": "rs_1:c2ln"}],
        "tool_calls": [{"id": "c", "name": "f", "arguments": "{}"}],
    }
    result = {"role": "tool", "tool_call_id": "c", "content": "42"}
    body = openai_responses.response_body(asked("go", said, result))
    assert body["input"][1:] == [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2ln"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "42"},
    ]
