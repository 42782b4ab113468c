"""Whoever asked for it is told how a run has ended: signed, again until it is taken, over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from langgraph_sdk import get_client
from standardwebhooks import Webhook as Verifier

from hub import webhooks
from hub.webhooks import shown, tenant_key, workspace_key


class Receiver:
    """Takes calls; refuses as many as it is told to."""

    def __init__(self) -> None:
        self.refuse = 0
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.came = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Keep a call."""
        self.calls.append((dict(request.headers), await request.read()))
        self.came.set()
        self.refuse -= 1
        return web.Response(status=503 if self.refuse >= 0 else 204)


@pytest.fixture
async def receiver() -> AsyncIterator[Any]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    async with TestServer(app, host="127.0.0.1") as server:
        found.url = str(server.make_url("/hook"))  # type: ignore[attr-defined]
        yield found


async def called(receiver: Any, times: int = 1) -> dict[str, Any]:
    """Return the body of the newest call when there have been so many."""
    async with asyncio.timeout(20):
        while len(receiver.calls) < times:
            receiver.came.clear()
            await receiver.came.wait()
    body: dict[str, Any] = orjson.loads(receiver.calls[-1][1])
    return body


async def test_the_end_of_a_run_is_told_and_signed(hub: Any, receiver: Any, tmp_path: Path) -> None:
    """The signature is one of Standard Webhooks, with the tenant's own key."""
    client = get_client(url=hub.url)
    thread = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread, "echo", input={"text": "a b"}, webhook=receiver.url)
    body = await called(receiver)
    assert (body["run_id"], body["thread_id"]) == (run["run_id"], thread)
    assert (body["status"], body["values"]) == ("success", {"answer": "a b"})
    headers, raw = receiver.calls[0]
    sent = {name.lower(): value for name, value in headers.items()}
    key = workspace_key(tmp_path)
    Verifier(shown(tenant_key(key, "default"))).verify(raw, sent)
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(shown(tenant_key(key, "another"))).verify(raw, sent)


async def test_a_failed_run_is_told_too(hub: Any, receiver: Any) -> None:
    """With its error."""
    client = get_client(url=hub.url)
    await client.runs.create(None, "fail", input={"text": "a"}, webhook=receiver.url)
    body = await called(receiver)
    assert body["status"] == "error"
    assert body["error"]["message"] == "No model answered; try later."


async def test_a_call_is_made_again_until_it_is_taken(
    hub: Any, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time under the same id, so that the receiver can tell."""
    monkeypatch.setattr(webhooks, "WAITS", (0.0,) * 6)
    receiver.refuse = 2
    client = get_client(url=hub.url)
    await client.runs.create(None, "echo", input={"text": "a"}, webhook=receiver.url)
    await called(receiver, 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 1
    async with asyncio.timeout(20):
        while await hub.engine.journal.webhooks(10):
            await asyncio.sleep(0.01)


async def test_a_call_is_given_up_after_the_last_wait(
    hub: Any, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not lie there for ever."""
    monkeypatch.setattr(webhooks, "WAITS", (0.0,))
    receiver.refuse = 9
    client = get_client(url=hub.url)
    await client.runs.create(None, "echo", input={"text": "a"}, webhook=receiver.url)
    await called(receiver, 2)
    async with asyncio.timeout(20):
        while await hub.engine.journal.webhooks(10):
            await asyncio.sleep(0.01)
    assert len(receiver.calls) == 2


async def test_a_call_that_was_not_made_lies_in_the_journal(hub: Any, receiver: Any) -> None:
    """A new process finds it: it was written with the end of the run."""
    receiver.refuse = 1
    client = get_client(url=hub.url)
    await client.runs.create(None, "echo", input={"text": "a"}, webhook=receiver.url)
    await called(receiver)
    async with asyncio.timeout(20):
        while not any(each.tries for each in await hub.engine.journal.webhooks(10)):
            await asyncio.sleep(0.01)
    (waiting,) = await hub.engine.journal.webhooks(10)
    assert waiting.due_at > waiting.created_at


async def test_where_a_webhook_may_not_go_is_refused_with_the_run(hub: Any) -> None:
    """Nothing is started then."""
    for url in ("http://10.0.0.1/", "nonsense"):
        status, answer = await hub.ask(
            "POST", "/runs", {"assistant_id": "echo", "input": {"text": "a"}, "webhook": url}
        )
        assert status == 422
        assert "egress" in answer["detail"] or "no address" in answer["detail"]


async def test_a_workspace_makes_its_key_once(tmp_path: Path) -> None:
    """Readable by its owner only."""
    first = workspace_key(tmp_path / "var")
    assert workspace_key(tmp_path / "var") == first
    assert ((tmp_path / "var" / "webhooks.key").stat().st_mode & 0o077) == 0
    assert tenant_key(first, "a") != tenant_key(first, "b")
