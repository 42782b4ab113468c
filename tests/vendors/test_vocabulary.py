"""One vocabulary for every vendor: text, thoughts, calls, shapes of answers, usage and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any
from urllib.request import urlopen

import pytest

from hubbub import ChatRequest, Context, Delta, InvalidInput, Provider, Reply
from plugins import anthropic, ollama, openai, openai_responses
from runtime.gateway.reply import ReplyBuilder
from tests.vendors.conftest import MARKER

VENDORS: dict[str, Callable[[str], Provider]] = {
    "openai": lambda url: openai.register_providers(openai.Settings(api_key=MARKER, base_url=f"{url}/v1"))[0],
    "anthropic": lambda url: anthropic.register_providers(anthropic.Settings(api_key=MARKER, base_url=url))[
        0
    ],
    "openai-responses": lambda url: openai_responses.register_providers(
        openai_responses.Settings(api_key=MARKER, base_url=f"{url}/v1")
    )[0],
    "ollama": lambda url: ollama.register_providers(ollama.Settings(host=url, api_key=MARKER))[0],
}
WEATHER = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, aimock: str) -> Provider:
    """Each vendor in turn, played by aimock."""
    return VENDORS[request.param](aimock)


def asked(*messages: Any, **more: Any) -> ChatRequest:
    """Return a request; a text is what the user says."""
    said = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    return ChatRequest("model-1", said, **more)


async def answer(provider: Provider, request: ChatRequest, ctx: Context) -> tuple[Reply, list[Delta]]:
    """Return the whole answer, and its pieces."""
    whole, pieces = ReplyBuilder(provider.name), []
    async with aclosing(provider.stream(request, ctx)) as stream:  # type: ignore[type-var]
        async for delta in stream:
            whole.add(delta)
            pieces.append(delta)
    return whole.reply(), pieces


def sent(url: str) -> Any:
    """Return the last request that aimock was sent."""
    with urlopen(f"{url}/__aimock/journal") as journal:
        return json.load(journal)[-1]["body"]


async def test_a_text_comes_in_pieces_with_usage_and_a_finish(vendor: Provider, ctx: Context) -> None:
    reply, pieces = await answer(vendor, asked({"role": "system", "content": "Be kind."}, "say hello"), ctx)
    assert (reply.text, reply.finish) == ("Hello there, friend.", "stop")
    assert len([piece for piece in pieces if piece.text]) > 2
    assert pieces[-1].finish


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_usage_is_what_the_vendor_counted(name: str, aimock: str, ctx: Context) -> None:
    reply, _ = await answer(VENDORS[name](aimock), asked("say hello"), ctx)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 4)


@pytest.mark.parametrize("name", ["openai", "openai-responses", "anthropic"])
async def test_thoughts_are_kept_apart_from_the_answer(name: str, aimock: str, ctx: Context) -> None:
    reply, _ = await answer(VENDORS[name](aimock), asked("think first", reasoning="low"), ctx)
    assert (reply.text, reply.reasoning) == ("It is 4.", "Two and two are four.")


async def test_calls_made_side_by_side_stay_apart(vendor: Provider, ctx: Context) -> None:
    reply, _ = await answer(vendor, asked("look it up", tools=[WEATHER]), ctx)
    assert reply.finish == "tool_calls"
    assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == [
        ("weather", {"city": "Oslo"}),
        ("weather", {"city": "Rome"}),
    ]
    assert len({call.id for call in reply.tool_calls}) == 2


async def test_calls_and_their_results_go_back_to_the_vendor(vendor: Provider, ctx: Context) -> None:
    first, _ = await answer(vendor, asked("look it up", tools=[WEATHER]), ctx)
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in first.tool_calls]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in calls]
    said = {"role": "assistant", "content": "", "tool_calls": calls}
    reply, _ = await answer(vendor, asked("look it up", said, *results, tools=[WEATHER]), ctx)
    assert reply.text == "It rains in Oslo."


async def test_an_answer_has_the_shape_that_was_asked_for(vendor: Provider, ctx: Context) -> None:
    shape = {"type": "json_schema", "name": "place", "schema": WEATHER["parameters"], "strict": True}
    request = asked("as JSON", response_format=shape)
    reply, _ = await answer(vendor, request, ctx)
    assert json.loads(reply.text) == {"city": "Oslo"}
    wanted = {"name": "place", "schema": WEATHER["parameters"], "strict": True}
    assert openai.chat_body(request, own=True)["response_format"]["json_schema"] == wanted
    wanted = {"type": "json_schema", "schema": WEATHER["parameters"]}
    assert anthropic.messages_body(request, 1)["output_config"]["format"] == wanted
    assert ollama.chat_arguments(request)["format"] == WEATHER["parameters"]
    wanted = {"type": "json_schema", "name": "place", "schema": WEATHER["parameters"], "strict": True}
    assert openai_responses.response_body(request)["text"]["format"] == wanted


async def test_images_reach_the_vendor(vendor: Provider, ctx: Context) -> None:
    image = {"type": "image", "data": PIXEL, "mime_type": "image/png"}
    message = {"role": "user", "content": [{"type": "text", "text": "say hello"}, image]}
    reply, _ = await answer(vendor, asked(message), ctx)
    assert reply.text == "Hello there, friend."
    for body in (
        openai.chat_body(asked(message), own=True),
        anthropic.messages_body(asked(message), 1),
        ollama.chat_arguments(asked(message)),
        openai_responses.response_body(asked(message)),
    ):
        assert PIXEL in json.dumps(body)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_a_cut_answer_says_that_it_was_cut(name: str, aimock: str, ctx: Context) -> None:
    reply, _ = await answer(VENDORS[name](aimock), asked("be short", max_tokens=1), ctx)
    assert reply.finish == "length"


async def test_what_a_vendor_cannot_do_is_refused_with_a_sentence(aimock: str, ctx: Context) -> None:
    for name, more, words in (
        ("anthropic", {"seed": 1}, "leave seed out"),
        ("anthropic", {"temperature": 1.5}, "lower it"),
        ("anthropic", {"response_format": {"type": "json"}}, "give response_format a schema"),
        ("ollama", {"tool_choice": "required"}, "leave tool_choice out"),
    ):
        with pytest.raises(InvalidInput, match=words):
            await answer(VENDORS[name](aimock), asked("say hello", **more), ctx)
    image = {"role": "user", "content": [{"type": "image", "url": "https://example.com/a.png"}]}
    with pytest.raises(InvalidInput, match="base64"):
        await answer(VENDORS["ollama"](aimock), asked(image), ctx)


async def test_every_setting_of_a_request_is_passed_on(aimock: str, ctx: Context) -> None:
    request = asked(
        "say hello",
        temperature=0.5,
        top_p=0.9,
        max_tokens=7,
        stop=["END"],
        tools=[WEATHER],
        tool_choice="weather",
        parallel_tool_calls=False,
    )
    await answer(VENDORS["openai"](aimock), request, ctx)
    body = sent(aimock)
    assert (body["temperature"], body["top_p"], body["max_completion_tokens"]) == (0.5, 0.9, 7)
    assert (body["stop"], body["parallel_tool_calls"]) == (["END"], False)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert anthropic.messages_body(request, 100) == {
        "model": "model-1",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "say hello"}]}],
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "tools": [
            {
                "name": "weather",
                "description": "The weather of a city.",
                "input_schema": WEATHER["parameters"],
            }
        ],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    }


def test_signed_thoughts_and_the_cache_go_back_to_anthropic() -> None:
    said = {
        "role": "assistant",
        "content": [
            {"type": "reasoning", "text": "hm", "signature": "c2ln"},
            {"type": "reasoning", "text": "of another vendor"},
            {"type": "text", "text": "4"},
        ],
    }
    system = {"role": "system", "content": [{"type": "text", "text": "long", "cache": True}]}
    body = anthropic.messages_body(asked(system, "2+2?", said, "and 3+3?"), 100)
    assert body["system"] == [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "4"},
    ]


def test_tokens_of_the_prompt_cache_are_part_of_the_input() -> None:
    seen = anthropic.Answer()
    start = {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 5}
    list(seen.pieces({"type": "message_start", "message": {"usage": start}}))
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    list(seen.pieces(end))
    usage = seen.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens) == (
        105,
        90,
        5,
        3,
    )


async def test_texts_become_vectors(aimock: str, ctx: Context) -> None:
    provider: Any = VENDORS["openai"](aimock)
    made = await provider.embed(["one", "two"], "embed-1", None, ctx)
    assert len(made.vectors) == 2
    assert len(made.vectors[0]) == len(made.vectors[1]) > 0
