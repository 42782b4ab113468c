"""The gateway's pass-through beside a raw relay and the upstream itself: latency and chunks a second."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

from bench.hub import running_hub

DELAY = 0.1
"""Seconds that the slow upstream takes."""
CHUNKS = 500
CONFIG = """
[plugins.openai]
api_key = "none"
base_url = "{upstream}/v1"

[models.fast]
use = ["openai:fast"]
coalesce = false

[models.slow]
use = ["openai:slow"]
coalesce = false
"""
_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "fast",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "fast"}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({**about, "choices": [choice]}).encode()


async def _upstream(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    if body["model"] == "slow":
        await asyncio.sleep(DELAY)
    if not body.get("stream"):
        return web.json_response(_ANSWER)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    piece = _chunk({"content": "word "})
    for number in range(CHUNKS):
        await response.write(piece)
        if number % 8 == 0:
            await asyncio.sleep(0)
    await response.write(_chunk({}, "stop") + b"data: [DONE]\n\n")
    return response


def _relay(upstream: str) -> web.Application:
    """A relay that does nothing but pass bytes on: the floor."""
    app = web.Application()

    async def pass_on(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with app["client"].post(upstream + request.path, data=body) as answer:
            response = web.StreamResponse(headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    async def client(app: web.Application) -> object:
        app["client"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        yield
        await app["client"].close()

    app.cleanup_ctx.append(client)  # type: ignore[arg-type]
    app.router.add_post("/v1/chat/completions", pass_on)
    return app


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Serve in a process of its own; yields its address."""
    command = [sys.executable, "-m", "bench.gateway", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


async def _serve(app: web.Application) -> None:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


async def seconds(url: str, model: str, total: int, at_once: int) -> list[float]:
    """Return what each of `total` whole answers took."""
    taken: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def worker() -> None:
            for _ in range(total // at_once):
                started = time.perf_counter()
                messages = [{"role": "user", "content": "hi"}]
                async with client.post(
                    f"{url}/v1/chat/completions", json={"model": model, "messages": messages}
                ) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
                taken.append(time.perf_counter() - started)

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return taken


async def chunks_per_second(url: str, streams: int, times: int) -> float:
    """Return the chunks a second of streams side by side."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def one() -> int:
            body = {"model": "fast", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            count = 0
            for _ in range(times):
                async with client.post(f"{url}/v1/chat/completions", json=body) as answer:
                    count += (await answer.read()).count(b'"word ')
            return count

        started = time.perf_counter()
        counts = await asyncio.gather(*(one() for _ in range(streams)))
        took = time.perf_counter() - started
    assert set(counts) == {CHUNKS * times}, counts
    return sum(counts) / took


@contextmanager
def places() -> Iterator[dict[str, str]]:
    """Serve upstream, relay and hub; yields their addresses."""
    with (
        serving("upstream") as upstream,
        serving("relay", upstream) as relay,
        running_hub(CONFIG.format(upstream=upstream)) as hub,
    ):
        yield {"upstream": upstream, "relay": relay, "hub": hub.url}


if __name__ == "__main__":
    if sys.argv[1] == "upstream":
        application = web.Application()
        application.router.add_post("/v1/chat/completions", _upstream)
    else:
        application = _relay(sys.argv[2])
    asyncio.run(_serve(application))
