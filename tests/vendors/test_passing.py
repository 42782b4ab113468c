"""What is passed on as it is: by the proxy of the environment, and without a thread for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from hubbub import Context, RawRequest
from plugins import openai
from tests.vendors.conftest import MARKER, Endless

ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
}
REQUEST = RawRequest("openai.chat", "gpt-4o", {"messages": [{"role": "user", "content": "hi"}]})


@pytest.fixture
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that answers everything itself: its address, and the addresses that it was asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


@pytest.mark.parametrize("past", [False, True], ids=["by it", "past it"])
async def test_the_proxy_that_the_environment_names_is_used(
    proxy: tuple[str, list[str]], ctx: Context, monkeypatch: pytest.MonkeyPatch, past: bool
) -> None:
    address, asked = proxy
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9" if past else address)
    monkeypatch.setenv("no_proxy", "127.0.0.1" if past else "")
    base = f"{address}/v1" if past else "http://vendor.test/v1"
    provider = openai.register_providers(openai.Settings(api_key=MARKER, base_url=base))[0]
    chunks = [chunk async for chunk in provider.relay(REQUEST, ctx)]
    await provider.aclose()
    assert [chunk.finish for chunk in chunks] == ["stop"]
    assert asked == [f"{base}/chat/completions"]


async def test_who_leaves_mid_stream_ends_the_upstream_request(ctx: Context, endless: Endless) -> None:
    provider: Any = openai.register_providers(openai.Settings(api_key=MARKER, base_url=endless.url))[0]
    chunks = provider.relay(replace(REQUEST, stream=True), ctx)
    assert (await anext(chunks)).content
    await chunks.aclose()
    async with asyncio.timeout(10):
        await endless.left.wait()
    await provider.aclose()
