"""tool.http asks real servers, within bounds and within the egress rule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hubbub import InvalidInput, PluginError
from hubbub.testing import FakeContext, ToolTests
from plugins.http import Http, Request, Settings

SEEN: list[web.Request] = []


async def echo(request: web.Request) -> web.Response:
    SEEN.append(request)
    body = await request.text()
    about = {"method": request.method, "query": dict(request.query), "headers": dict(request.headers)}
    return web.json_response({**about, "body": body}, headers={"Set-Cookie": "a=b"})


async def large(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(100):
        await answer.write(b"x" * 65536)
    return answer


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def broken(request: web.Request) -> web.Response:
    return web.Response(status=503, text="try later")


async def garbage(request: web.Request) -> web.Response:
    return web.Response(body=b"{\xff", headers={"Content-Type": "application/json; charset=none-such"})


async def away(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


async def around(request: web.Request) -> web.Response:
    raise web.HTTPFound("/around")


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    SEEN.clear()
    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    for name, handler in {
        "large": large,
        "slow": slow,
        "broken": broken,
        "garbage": garbage,
        "around": around,
    }.items():
        app.router.add_get(f"/{name}", handler)
    app.router.add_route("*", "/away", away)
    running = TestServer(app)
    async with running:
        yield running


async def ask(settings: Settings | None = None, **args: Any) -> Any:
    ctx = FakeContext(idempotency_key="r1:t1:1")
    try:
        return await Http(settings or Settings()).run(Request.model_validate(args), ctx)
    finally:
        await ctx.aclose()


class TestShape(ToolTests):
    def make(self) -> Http:
        return Http(Settings())


async def test_a_request_is_sent_and_its_answer_told(server: TestServer) -> None:
    answer = await ask(url=str(server.make_url("/echo")), method="POST", query={"q": "owls"}, json={"a": [1]})
    assert answer["status"] == 200
    assert answer["json"]["query"] == {"q": "owls"}
    assert answer["json"]["body"] == '{"a": [1]}'
    assert "set-cookie" not in answer["headers"]


async def test_what_writes_carries_the_idempotency_key_of_its_call(server: TestServer) -> None:
    url = str(server.make_url("/echo"))
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await ask(url=url, method=method)
        assert answer["json"]["headers"]["Idempotency-Key"] == "r1:t1:1"
    assert "Idempotency-Key" not in (await ask(url=url))["json"]["headers"]


async def test_headers_of_the_operator_go_to_their_host_only(server: TestServer) -> None:
    settings = Settings(headers={"127.0.0.1": {"X-Token": "s3cret"}})
    url = server.make_url("/echo")
    assert (await ask(settings, url=str(url)))["json"]["headers"]["X-Token"] == "s3cret"
    assert "X-Token" not in (await ask(settings, url=str(url.with_host("localhost"))))["json"]["headers"]


async def test_nothing_secret_follows_a_redirect_to_another_place(server: TestServer) -> None:
    settings = Settings(headers={"127.0.0.1": {"X-Token": "s3cret"}})
    target = str(server.make_url("/echo").with_host("localhost"))
    url = str(server.make_url("/away"))
    answer = await ask(settings, url=url, query={"to": target}, headers={"Authorization": "Bearer mine"})
    assert answer["url"] == target
    assert {"X-Token", "Authorization"}.isdisjoint(answer["json"]["headers"])
    assert answer["json"]["query"] == {}


async def test_what_writes_follows_no_redirect(server: TestServer) -> None:
    answer = await ask(url=str(server.make_url("/away")), method="POST", query={"to": "/echo"})
    assert answer["status"] == 302
    assert SEEN == []


async def test_redirects_without_end_are_a_failure(server: TestServer) -> None:
    with pytest.raises(PluginError, match="redirects without end"):
        await ask(url=str(server.make_url("/around")))


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data"])
async def test_where_it_may_not_go_it_does_not(url: str) -> None:
    with pytest.raises(InvalidInput, match="egress"):
        await ask(url=url)


async def test_a_redirect_leads_nowhere_else(server: TestServer) -> None:
    with pytest.raises(InvalidInput, match="egress"):
        await ask(url=str(server.make_url("/away")), query={"to": "http://10.0.0.1/"})


async def test_an_answer_that_is_too_large_is_refused(server: TestServer) -> None:
    with pytest.raises(InvalidInput, match=r"more than 16 KiB; ask for less"):
        await ask(Settings(kilobytes=16), url=str(server.make_url("/large")))


async def test_the_operators_timeout_is_the_longest(server: TestServer) -> None:
    with pytest.raises(PluginError, match=r"gave no answer within 0.1 s"):
        await ask(Settings(timeout=0.1), url=str(server.make_url("/slow")), timeout=60)


async def test_a_failure_is_raised_and_tells_no_more_than_the_host(server: TestServer) -> None:
    url = str(server.make_url("/broken?key=s3cret"))
    with pytest.raises(PluginError, match=r"127.0.0.1 answered 503; mend the request") as caught:
        await ask(url=url)
    assert "s3cret" not in str(caught.value)
    assert (await ask(url=url, fail=False))["text"] == "try later"


async def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(PluginError, match=r"cannot be reached \(ClientConnectorError\)"):
        await ask(url="http://127.0.0.1:1/")


async def test_an_answer_that_is_not_what_it_says_is_text(server: TestServer) -> None:
    answer = await ask(url=str(server.make_url("/garbage")))
    assert answer["text"].startswith("{")
