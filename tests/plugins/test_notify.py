"""tool.notify writes to channels that the operator named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hubbub import NotFound, PluginError
from hubbub.testing import FakeContext, ToolTests
from plugins.notify import Note, Notify, Settings

SENT: list[Any] = []


async def hook(request: web.Request) -> web.Response:
    SENT.append((await request.json(), request.headers["Idempotency-Key"]))
    return web.Response(text="ok")


async def away(request: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect("/hook")


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    SENT.clear()
    app = web.Application()
    app.router.add_post("/hook", hook)
    app.router.add_post("/away", away)
    running = TestServer(app)
    async with running:
        yield running


async def say(channels: dict[str, str], **args: Any) -> Any:
    ctx = FakeContext(idempotency_key="r1:t1:1")
    try:
        return await Notify(Settings(channels=channels)).run(Note.model_validate(args), ctx)
    finally:
        await ctx.aclose()


class TestShape(ToolTests):
    def make(self) -> Notify:
        return Notify(Settings())


async def test_a_channel_gets_the_text_as_slack_has_it(server: TestServer) -> None:
    url = str(server.make_url("/hook"))
    told = await say({"sales": url}, channel="sales", text="*A lead*", more={"icon_emoji": ":owl:"})
    assert told == {"channel": "sales", "sent": True}
    assert SENT == [({"text": "*A lead*", "icon_emoji": ":owl:"}, "r1:t1:1")]


async def test_an_unknown_channel_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFound, match=r"no channel sails \(known: sales\); add it to \[plugins.notify\]"):
        await say({"sales": "http://127.0.0.1/"}, channel="sails", text="x")


async def test_a_message_that_is_not_taken_is_a_failure_without_the_address(server: TestServer) -> None:
    for path, status in (("/away", 307), ("/nowhere/T0P/s3cret", 404)):
        with pytest.raises(PluginError, match=f"the channel sales answered {status}") as caught:
            await say({"sales": str(server.make_url(path))}, channel="sales", text="x")
        assert "s3cret" not in str(caught.value)
    assert SENT == []
