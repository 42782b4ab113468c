"""The official OpenAI SDK, unchanged: chat completions, embeddings, models and errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from llmock.scenarios import Fail, StreamFault
from llmock.testing import LLMockServer
from openai import AsyncOpenAI
from pydantic import BaseModel

from runtime.settings import ModelAlias, PluginsSettings, TelemetrySettings, TenantSettings
from tests.hub.clients.doors import ECHO, PAIR, TALK, aliases, answering, vendors
from tests.hub.conftest import RealHub
from tests.vendors.conftest import MARKER

TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]


@pytest.fixture
async def hub(tmp_path: Path, upstream: LLMockServer) -> AsyncIterator[RealHub]:
    """A hub with aliases: `up` is passed on to OpenAI, `other` translated for Anthropic, `parrot` is ours."""
    upstream.state.reset()
    vectors = "openai:text-embedding-3-small"
    async with answering(
        tmp_path,
        {"echo": ECHO, "talk": TALK, "pair": PAIR},
        models=aliases(up="openai:gpt-4o", other="anthropic:claude-sonnet-4-5", vectors=vectors),
        plugins=vendors(upstream),
        telemetry=TelemetrySettings(traces=tmp_path / "var" / "traces.jsonl", content=True),
    ) as found:
        yield found


@pytest.fixture
async def client(hub: RealHub) -> AsyncIterator[AsyncOpenAI]:
    """The SDK, with what it does by itself."""
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key="any") as made:
        yield made


def said(text: str) -> Any:
    """Return what a user says."""
    return [{"role": "user", "content": text}]


async def gather(stream: Any, chunks: list[Any]) -> None:
    """Keep what a stream sends until it breaks."""
    async for chunk in stream:
        chunks.append(chunk)


async def test_models_are_aliases_and_graphs(client: AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert {"up", "other", "parrot", "writer", "echo", "talk"} <= set(names)
    assert (await client.models.retrieve("echo")).id == "echo"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nobody")


@pytest.mark.parametrize("model", ["up", "other", "parrot"])
async def test_a_whole_answer(client: AsyncOpenAI, model: str) -> None:
    made = await client.chat.completions.create(model=model, messages=said("hello there"))
    assert made.choices[0].message.content
    assert made.choices[0].finish_reason == "stop"
    assert made.usage
    assert made.usage.total_tokens > 0


@pytest.mark.parametrize("model", ["up", "other", "parrot"])
@pytest.mark.parametrize("usage", [True, False])
async def test_a_streamed_answer(client: AsyncOpenAI, model: str, usage: bool) -> None:
    asked: Any = {"stream_options": {"include_usage": True}} if usage else {}
    stream = await client.chat.completions.create(
        model=model, messages=said("hello there"), stream=True, **asked
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len([text for text in texts if text]) > 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert any(chunk.usage for chunk in chunks) == usage


@pytest.mark.parametrize("stream", [True, False])
async def test_calls_of_tools_side_by_side(client: AsyncOpenAI, stream: bool) -> None:
    if stream:
        async with client.chat.completions.stream(
            model="parrot", messages=said("call"), tools=TOOLS
        ) as events:
            message: Any = (await events.get_final_completion()).choices[0].message
    else:
        made = await client.chat.completions.create(model="parrot", messages=said("call"), tools=TOOLS)
        assert made.choices[0].finish_reason == "tool_calls"
        message = made.choices[0].message
    found = [
        (call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls
    ]
    assert found == [("call_0", "weather", {"city": "Oslo"}), ("call_1", "weather", {"city": "Rome"})]


async def test_arguments_of_a_call_are_told_as_the_model_wrote_them(client: AsyncOpenAI) -> None:
    """OpenAI's API promises no JSON there; whoever calls has to look."""
    made: Any = await client.chat.completions.create(model="parrot", messages=said("miscall"), tools=TOOLS)
    assert made.choices[0].message.tool_calls[0].function.arguments == '{"city": Oslo'


async def test_a_conversation_with_tools_and_images_is_translated_whole(client: AsyncOpenAI) -> None:
    messages: Any = [
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "42"},
        *said("repeat"),
    ]
    made = await client.chat.completions.create(model="parrot", messages=messages)
    text = made.choices[0].message.content or ""
    for part in (
        "Be kind.",
        "'mime_type': 'image/png', 'data': 'QQ=='",
        "'name': 'f'",
        "'tool_call_id': 'c'",
    ):
        assert part in text


async def test_a_shape_reaches_the_model_and_what_it_makes_is_parsed(client: AsyncOpenAI) -> None:
    class Place(BaseModel):
        city: str

    made = await client.chat.completions.parse(model="up", messages=said("a city"), response_format=Place)
    assert made.choices[0].message.parsed
    repeated = await client.chat.completions.create(
        model="parrot", messages=said("repeat"), response_format={"type": "json_object"}
    )
    assert "{'type': 'json'}" in (repeated.choices[0].message.content or "")


async def test_thoughts_are_told_beside_the_answer(client: AsyncOpenAI) -> None:
    made: Any = await client.chat.completions.create(model="parrot", messages=said("think"))
    assert made.choices[0].message.reasoning_content == "hm, yes"


async def test_a_graph_answers_as_a_model(client: AsyncOpenAI) -> None:
    made = await client.chat.completions.create(model="echo", messages=said("one two"))
    assert (made.choices[0].message.content or "").split() == ["one", "two"]
    stream = await client.chat.completions.create(model="echo", messages=said("one two"), stream=True)
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(texts).split() == ["one", "two"]
    counted = await client.chat.completions.create(model="talk", messages=said("a") + said("b"))
    assert (counted.choices[0].message.content or "").strip() == "2 messages"


async def test_a_graph_that_takes_no_text_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="POST /graphs/pair"):
        await client.chat.completions.create(model="pair", messages=said("hi"))


async def test_texts_become_vectors(client: AsyncOpenAI) -> None:
    made = await client.embeddings.create(model="vectors", input=["one", "two"])
    assert [row.index for row in made.data] == [0, 1]
    assert isinstance(made.data[0].embedding[0], float)
    plain = await client.embeddings.create(model="vectors", input="one", encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(made.data[0].embedding, abs=1e-6)
    with pytest.raises(openai.BadRequestError, match="makes no embeddings"):
        await client.embeddings.create(model="parrot", input="one")


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("words", "error", "status", "code"),
    [
        ("auth", openai.InternalServerError, 502, "provider_auth"),
        ("quota", openai.InternalServerError, 502, "provider_quota"),
        ("rate_limit", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("overloaded", openai.InternalServerError, 503, "overloaded"),
        ("timeout", openai.InternalServerError, 504, "timeout"),
        ("too_long", openai.BadRequestError, 400, "context_length_exceeded"),
        ("refused", openai.BadRequestError, 400, "content_policy_violation"),
    ],
)
async def test_failures_have_the_sdks_errors_and_are_not_tried_again_by_it(
    client: AsyncOpenAI, words: str, error: type[openai.APIStatusError], status: int, code: str
) -> None:
    with pytest.raises(error, match="The parrot will not") as caught:
        await client.chat.completions.create(model="parrot", messages=said(words))
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.response.headers["x-should-retry"] == "false"
    if words == "rate_limit":
        assert caught.value.response.headers["retry-after"] == "600"


async def test_an_unknown_model_and_a_wrong_request_are_told(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no model gpt-9") as caught:
        await client.chat.completions.create(model="gpt-9", messages=said("hi"))
    assert caught.value.code == "model_not_found"
    for more, sentence in (
        ({"messages": 3}, "shape of openai.chat"),
        ({"messages": [{"role": "poet"}]}, "role system, user, assistant or tool"),
        ({"messages": said("hi"), "logprobs": True}, "has no logprobs"),
        ({"messages": said("hi"), "n": 2}, "has no n"),
    ):
        with pytest.raises(openai.BadRequestError, match=sentence):
            await client.chat.completions.create(model="parrot", **more)


async def test_a_stream_that_breaks_ends_with_an_error_and_never_with_a_finish(
    client: AsyncOpenAI, upstream: LLMockServer
) -> None:
    for model in ("parrot", "up"):
        upstream.state.scenarios.add(StreamFault("disconnect", after_chunks=4))
        stream = await client.chat.completions.create(model=model, messages=said("break"), stream=True)
        chunks: list[Any] = []
        with pytest.raises(openai.APIError, match="broke off") as caught:
            await gather(stream, chunks)
        assert caught.value.code == "incomplete"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}


async def test_what_fails_before_the_first_word_is_tried_again_unseen(
    client: AsyncOpenAI, upstream: LLMockServer
) -> None:
    upstream.state.scenarios.add(Fail(503), StreamFault("disconnect", after_chunks=0))
    stream = await client.chat.completions.create(model="up", messages=said("hello"), stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def test_the_key_of_a_vendor_is_nowhere(
    hub: RealHub,
    client: AsyncOpenAI,
    upstream: LLMockServer,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    upstream.state.scenarios.add(Fail(401, message=f"Incorrect API key provided: {MARKER}"))
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="up", messages=said("hi"))
    await client.chat.completions.create(model="up", messages=said("hi"))
    seen = [str(caught.value), caplog.text]
    for path in ("/healthz", "/metrics", "/v1/models", "/usage"):
        async with hub.client.get(path) as page:
            seen.append(await page.text())
    await hub.world.engine.telemetry.flush()
    assert "chat gpt-4o" in (tmp_path / "var" / "traces.jsonl").read_text()
    found = [path for path in tmp_path.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()]
    assert not any(MARKER in text for text in seen)
    assert found == []


async def test_who_leaves_mid_stream_costs_nothing_more(hub: RealHub, client: AsyncOpenAI) -> None:
    stream = client.chat.completions.create(model="parrot", messages=said("wait"), stream=True)
    task = asyncio.create_task(stream)
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])
    async with asyncio.timeout(5):
        while True:
            async with hub.client.get("/metrics") as page:
                if 'hubbub_model_attempts_total{model="parrot",outcome="left"} 1.0' in await page.text():
                    break
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("tenant", "code", "again"),
    [
        ({"limits": {"requests_per_minute": 1}}, "rate_limit_exceeded", None),
        ({"budget": {"usd": 0.0000001}}, "insufficient_quota", "false"),
    ],
    ids=["rate", "budget"],
)
async def test_what_a_tenant_has_used_up_is_a_429_that_says_which(
    tmp_path: Path, upstream: LLMockServer, tenant: Any, code: str, again: str | None
) -> None:
    hub = RealHub(tmp_path)
    table = {"api_key": MARKER, "base_url": upstream.base_url("openai")}
    await hub.serve(
        models={"up": ModelAlias.model_validate({"use": ["openai:gpt-4o"]})},
        plugins=PluginsSettings(tables={"openai": table}),
        tenants={"default": TenantSettings.model_validate(tenant)},
    )
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key="any", max_retries=0) as client:
        await client.chat.completions.create(model="up", messages=said("hello"))
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="up", messages=said("hello again"))
    assert (caught.value.code, caught.value.response.headers.get("x-should-retry")) == (code, again)
    await hub.stop()
