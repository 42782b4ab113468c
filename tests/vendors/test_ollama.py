"""What Ollama sends, as its documentation says, where no server of others plays it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from hubbub import Context, ModelError
from plugins.ollama import Ollama, Settings
from tests.vendors.test_vocabulary import answer, asked

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[Ollama]]]:
    """Return an Ollama whose every request is answered by the handler."""
    runners = []

    async def begin(handler: Handler) -> Ollama:
        app = web.Application()
        app.router.add_post("/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return Ollama(Settings(host=f"http://127.0.0.1:{runner.addresses[0][1]}"))

    yield begin
    for runner in runners:
        await runner.cleanup()


def lines(*values: Any) -> bytes:
    """Return values as lines of JSON, with what every line has."""
    about = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
    return b"".join(orjson.dumps({**about, "done": False, **value}) + b"\n" for value in values)


async def test_thoughts_usage_and_the_finish_are_read(serve: Any, ctx: Context) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        last = {"done": True, "done_reason": "length", "prompt_eval_count": 7, "eval_count": 3}
        return web.Response(
            body=lines(
                {"message": {"role": "assistant", "thinking": "hm"}},
                {"message": {"role": "assistant", "content": "four"}},
                {"message": {"role": "assistant", "content": ""}, **last},
            )
        )

    reply, _ = await answer(await serve(handler), asked("2+2?", reasoning="high"), ctx)
    assert (reply.reasoning, reply.text, reply.finish) == ("hm", "four", "length")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cost_usd) == (7, 3, 0.0)


async def test_texts_become_vectors(serve: Any, ctx: Context) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        texts = (await request.json())["input"]
        return web.json_response(
            {"embeddings": [[float(len(text))] for text in texts], "prompt_eval_count": 2}
        )

    made = await (await serve(handler)).embed(["a", "bb"], "m", None, ctx)
    assert made.vectors == [[1.0], [2.0]]
    assert made.usage.input_tokens == 2


async def test_a_wait_that_it_asks_for_is_known(serve: Any, ctx: Context) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "busy"}, status=429, headers={"Retry-After": "7"})

    with pytest.raises(ModelError, match="Ollama is asked too often") as caught:
        await answer(await serve(handler), asked("hi"), ctx)
    assert (caught.value.reason, caught.value.retry_after) == ("rate_limit", 7.0)


async def test_a_model_that_is_not_there_is_named(serve: Any, ctx: Context) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "model 'm' not found"}, status=404)

    with pytest.raises(ModelError, match="model 'm' not found") as caught:
        await answer(await serve(handler), asked("hi"), ctx)
    assert not caught.value.transient


async def test_a_line_without_an_end_is_no_answer(serve: Any, ctx: Context) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x" * 1024 * 1024)
        return response

    with pytest.raises(ModelError, match="a line of more than 4 MiB"):
        await answer(await serve(handler), asked("hi"), ctx)


async def test_a_line_that_is_no_json_is_no_answer(serve: Any, ctx: Context) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"{broken\n")

    with pytest.raises(ModelError, match="not JSON"):
        await answer(await serve(handler), asked("hi"), ctx)


async def test_where_nothing_serves_the_sentence_says_so(ctx: Context) -> None:
    with pytest.raises(ModelError, match="Ollama cannot be reached") as caught:
        await answer(Ollama(Settings(host="http://127.0.0.1:9")), asked("hi"), ctx)
    assert caught.value.reason == "unavailable"
