"""`POST /threads/{id}/stream/events`: the same events as on a socket, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest

from hub.connections import CONNECTIONS, Patience
from hub.parts import KEYRING


class Stream:
    """An open stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> dict[str, str]:
        """Return the fields of the next event; a comment has the field ""."""
        fields: dict[str, str] = {}
        while line := (await asyncio.wait_for(self.response.content.readline(), 5)).decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        return fields

    async def until(self, method: str, *names: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while True:
            found.append(await self.next())
            frame = json.loads(found[-1].get("data", "{}"))
            data = frame.get("params", {}).get("data", {})
            if frame.get("method") == method and (not names or data.get("event") in names):
                return found


@asynccontextmanager
async def stream(hub: Any, thread: str = "t1", **body: Any) -> AsyncIterator[Stream]:
    async with hub.client.post(f"/threads/{thread}/stream/events", json=body) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield Stream(response)


async def start(hub: Any, graph: str = "echo", text: str = "a b c") -> str:
    body = {"assistant_id": graph, "input": {"text": text}, "if_not_exists": "create"}
    _, run = await hub.ask("POST", "/threads/t1/runs", body)
    found: str = run["run_id"]
    return found


async def test_events_come_with_their_ids_and_no_reply(hub: Any) -> None:
    """Each event is its envelope, named after its method, with its id."""
    await start(hub)
    async with stream(hub, channels=["messages", "lifecycle"]) as events:
        found = await events.until("lifecycle", "completed")
    assert [json.loads(each["data"])["event_id"] for each in found] == [each["id"] for each in found]
    assert [json.loads(each["data"])["method"] for each in found] == [each["event"] for each in found]
    data = [json.loads(each["data"])["params"]["data"] for each in found]
    assert "".join(each["delta"]["text"] for each in data if "delta" in each) == "a b c "


async def test_the_stream_goes_on_after_a_run_and_resumes_where_it_was(hub: Any) -> None:
    """`since` leaves out what was seen; a second run's events come on the same stream."""
    run = await start(hub)
    await hub.engine.runs.wait("default", run)
    async with stream(hub, channels=["lifecycle"]) as events:
        first = await events.until("lifecycle", "completed")
        await start(hub)
        second = await events.until("lifecycle", "completed")
    last = json.loads(first[-1]["data"])["seq"]
    async with stream(hub, channels=["lifecycle"], since=last) as events:
        assert await events.until("lifecycle", "completed") == second


async def test_what_cannot_be_streamed_is_refused_over_http(hub: Any) -> None:
    """An unknown thread is 404; wrong parameters and a seq from the future are 422."""
    status, body = await hub.ask("POST", "/threads/none/stream/events", {"channels": ["values"]})
    assert (status, body["code"]) == (404, "not_found")
    await hub.ask("POST", "/threads", {"thread_id": "t1"})
    for params in (
        {},
        {"channels": ["nope"]},
        {"channels": ["values"], "since": 10_000},
        {"channels": "values"},
    ):
        status, body = await hub.ask("POST", "/threads/t1/stream/events", params)
        assert (status, body["code"]) == (422, "invalid_argument")
    assert (await hub.ask("POST", "/threads/t1/stream/events", data=b"{"))[0] == 422


async def test_a_stream_is_for_its_tenant(guarded: Any) -> None:
    """Without a key 401, with another tenant's 404."""
    keyring = guarded.server.runner.app[KEYRING]
    (_, mine), (_, theirs) = await keyring.create("a", "acme"), await keyring.create("b", "bolt")
    await guarded.ask("POST", "/threads", {"thread_id": "t1"}, headers={"X-Api-Key": mine})
    body = {"channels": ["values"]}
    assert (await guarded.ask("POST", "/threads/t1/stream/events", body))[0] == 401
    headers = {"X-Api-Key": theirs}
    assert (await guarded.ask("POST", "/threads/t1/stream/events", body, headers=headers))[0] == 404


async def test_silence_is_filled_with_heartbeats(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nothing between client and hub takes the stream for dead."""
    monkeypatch.setattr("hub.sse.HEARTBEAT", 0.02)
    await hub.ask("POST", "/threads", {"thread_id": "t1"})
    async with stream(hub, channels=["lifecycle"]) as events:
        assert await events.next() == {"": "heartbeat"}


async def test_a_hub_that_stops_says_so_and_breaks_the_stream(hub: Any) -> None:
    """After `drain` and the run's end comes no proper end: a client comes back for what may follow."""
    patient = hub.engine.settings.hub.model_copy(update={"drain": 20.0})
    hub.engine.settings = hub.engine.settings.model_copy(update={"hub": patient})
    await start(hub, "wait")
    seen: list[Any] = []
    stopping: list[asyncio.Task[None]] = []

    async def watch(answer: httpx.Response) -> None:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                frame = json.loads(line.removeprefix("data:"))
                seen.append(frame["params"]["data"].get("event", frame["method"]))
                if seen[-1] == "running":
                    stopping.append(asyncio.create_task(hub.server.stop()))
                elif seen[-1] == "drain":
                    hub.engine.worker.release.set()

    # Unlike aiohttp's client this one hands out what came before a stream broke.
    body = {"channels": ["lifecycle"]}
    async with (
        httpx.AsyncClient(base_url=hub.url) as client,
        client.stream("POST", "/threads/t1/stream/events", json=body) as answer,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await watch(answer)
    await asyncio.gather(*stopping)
    assert seen == ["started", "running", "drain", "completed"]


async def test_a_client_that_leaves_is_forgotten(hub: Any) -> None:
    """Nothing watches the thread any more."""
    await start(hub, "wait")
    channel = await hub.engine.threads.channel("default", "t1")
    async with stream(hub, channels=["lifecycle"]) as events:
        await events.next()
        assert channel.watched
    async with asyncio.timeout(5):
        while channel.watched:
            await asyncio.sleep(0.01)
    assert b"hubbub_sockets_open 0.0" in hub.engine.telemetry.render()


async def test_a_reader_that_takes_nothing_is_cut_off(hub: Any) -> None:
    """Other readers and the run do not wait for it."""
    hub.server.runner.app[CONNECTIONS].patience = Patience(stuck=0.1)
    run = await start(hub, "wait")
    channel = await hub.engine.threads.channel("default", "t1")
    async with stream(hub, channels=["values"]) as events:
        events.response.connection.transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(1000):
            channel.live(run, "values", {"text": "x" * 16384})
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while channel.watched:
                await asyncio.sleep(0.01)
