"""What one key may use, as the official SDKs see its end: refused, in a graph's middle, after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from runtime.settings import AuthSettings, ModelAlias
from tests.hub.clients.doors import answering
from tests.hub.conftest import RealHub

PRICED = {"model": "parrot", "price": {"input": 1.0, "output": 1.0}}
SECTIONS: dict[str, Any] = {
    "models": {"parrot": ModelAlias.model_validate({"use": [PRICED]})},
    "auth": AuthSettings(mode="keys"),
}
"""An answer of the parrot uses ten tokens, which cost ten millionths of a dollar."""
TWICE = """
graph  = "twice"
start  = "first"
output = ["answer"]

[input]
question = "text"

[state]
draft  = "text?"
answer = "text?"

[node.first]
use    = "llm"
model  = "parrot"
prompt = "{{ question }}"
save   = "draft"
next   = "second"

[node.second]
use    = "llm"
model  = "parrot"
prompt = "{{ draft }}"
save   = "answer"
next   = "end"
"""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RealHub]:
    """A hub that asks for keys."""
    async with answering(tmp_path, {"twice": TWICE}, **SECTIONS) as found:
        yield found


async def new_key(hub: RealHub, **bounds: Any) -> str:
    """Make a key; returns its text."""
    owner = {"Authorization": f"Bearer {hub.world.engine.boot_token}"}
    status, made = await hub.ask("POST", "/admin/keys", {"name": "app", **bounds}, headers=owner)
    assert status == 201, made
    return str(made["key"])


def said(text: str) -> Any:
    """Return what a user says."""
    return [{"role": "user", "content": text}]


async def test_a_used_up_budget_is_refused_in_each_language_also_after_a_restart(hub: RealHub) -> None:
    key = await new_key(hub, budget_usd=0.00001, budget_per="month")
    other = await new_key(hub)
    async with (
        AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=key) as client,
        AsyncAnthropic(base_url=hub.url, api_key=key) as claude,
        AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=other) as rich,
    ):
        await client.chat.completions.create(model="parrot", messages=said("hi"))
        for _ in range(2):
            with pytest.raises(openai.RateLimitError, match=r"The key has spent its \$1e-05") as caught:
                await client.chat.completions.create(model="parrot", messages=said("hi"), stream=True)
            assert caught.value.code == "insufficient_quota"
            assert caught.value.response.headers["x-should-retry"] == "false"
            with pytest.raises(openai.RateLimitError) as caught:
                await client.responses.create(model="parrot", input="hi")
            assert caught.value.code == "insufficient_quota"
            with pytest.raises(anthropic.RateLimitError, match="The key has spent"):
                await claude.messages.create(model="parrot", max_tokens=9, messages=said("hi"))
            begun = await client.responses.create(model="twice", input="hi", background=True)
            await hub.world.engine.runs.wait("default", (await hub.world.engine.journal.runs(limit=1))[0].id)
            assert (await client.responses.retrieve(begun.id)).error.code == "insufficient_quota"  # type: ignore[union-attr]
            await rich.chat.completions.create(model="parrot", messages=said("hi"))
            await hub.stop()
            await hub.serve(hub.server.port, **SECTIONS)


async def of_chat(hub: RealHub, key: str, words: list[str]) -> None:
    """Gather what a streamed completion says."""
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=key, max_retries=0) as client:
        stream = await client.chat.completions.create(model="twice", messages=said("one two"), stream=True)
        async for chunk in stream:
            words.append(chunk.choices[0].delta.content or "")


async def of_messages(hub: RealHub, key: str, words: list[str]) -> None:
    """Gather what a streamed message says."""
    async with (
        AsyncAnthropic(base_url=hub.url, api_key=key, max_retries=0) as client,
        client.messages.stream(model="twice", max_tokens=9, messages=said("one two")) as stream,
    ):
        async for text in stream.text_stream:
            words.append(text)


@pytest.mark.parametrize(
    ("gather", "error"), [(of_chat, openai.APIError), (of_messages, anthropic.APIStatusError)]
)
async def test_a_budget_that_ends_in_a_graphs_middle_ends_its_stream_with_that_error(
    hub: RealHub, gather: Any, error: type[Exception]
) -> None:
    words: list[str] = []
    with pytest.raises(error, match="The key has spent") as caught:
        await gather(hub, await new_key(hub, budget_usd=0.00001), words)
    assert "".join(words).split() == ["one", "two"]
    assert error is not openai.APIError or caught.value.code == "insufficient_quota"  # type: ignore[attr-defined]


async def test_a_budget_that_ends_in_a_graphs_middle_ends_its_events_with_that_error(hub: RealHub) -> None:
    key = await new_key(hub, budget_usd=0.00001)
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=key, max_retries=0) as client:
        stream = await client.responses.create(model="twice", input="one two", stream=True)
        events: list[Any] = [event async for event in stream]
    words = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert words.split() == ["one", "two"]
    assert (events[-1].type, events[-1].code) == ("error", "insufficient_quota")


async def test_a_used_up_rate_says_when_to_come_back(hub: RealHub) -> None:
    key = await new_key(hub, requests_per_minute=1)
    async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=key, max_retries=0) as client:
        await client.chat.completions.create(model="parrot", messages=said("hi"))
        with pytest.raises(openai.RateLimitError, match="The key may use 1 requests of models") as caught:
            await client.chat.completions.create(model="parrot", messages=said("hi"))
    assert caught.value.code == "rate_limit_exceeded"
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60


async def test_the_rows_of_a_batch_count_for_the_key_that_made_it_also_after_a_restart(hub: RealHub) -> None:
    headers = {"Authorization": f"Bearer {await new_key(hub, budget_usd=0.000045)}"}
    rows = [{"question": "hi"}, {"question": "ho"}, {"question": "he"}]
    given = {"graph": "twice", "rows": rows, "concurrency": 1}
    status, made = await hub.ask("POST", "/batches", given, headers=headers)
    assert status == 201, made
    await _results(hub, made["id"], headers)
    await hub.stop()
    await hub.serve(hub.server.port, **SECTIONS)
    owner = {"Authorization": f"Bearer {hub.world.engine.boot_token}"}
    status, _ = await hub.ask("POST", f"/batches/{made['id']}/resume", {"failed": True}, headers=owner)
    assert status == 200
    outputs, error = [], {}
    for row in await _results(hub, made["id"], headers):
        outputs.append("output" in row)
        error = row.get("error", {})
    assert outputs == [True, True, False]
    assert error["code"] == "insufficient_quota"
    assert error["message"].startswith("The key has spent its $")


async def _results(hub: RealHub, id: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Return what became of the rows, when all have ended."""
    async with hub.client.get(f"/batches/{id}/results?follow=true", headers=headers) as answer:
        return [orjson.loads(line) for line in (await answer.text()).splitlines() if line]
