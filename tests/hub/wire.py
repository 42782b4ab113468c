"""A client of the sockets, as tests drive it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from hub.connections import CONNECTIONS, Connections
from runtime.runs.channel import Channel

STREAM = "/threads/{}/stream/events"
ENDS = ("completed", "failed")


class Client:
    """One socket: commands out, replies and events in."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, thread: str) -> None:
        self.socket, self._thread, self._id = socket, thread, 0
        self.events: list[dict[str, Any]] = []

    async def send(self, method: str, *, thread: str | None = None, meta: Any = None, **params: Any) -> int:
        self._id += 1
        command: dict[str, Any] = {"id": self._id, "method": method, "params": params}
        if thread is not None:
            command["thread"] = thread
        if meta is not None:
            command["meta"] = meta
        await self.socket.send_json(command)
        return self._id

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its reply."""
        return await self.reply(await self.send(method, **params))

    async def reply(self, id: int | None = None) -> dict[str, Any]:
        """Return the reply to a command; events before it are kept."""
        while (frame := await self.receive())["type"] == "event" or frame["id"] != id:
            self.events.append(frame)
        return frame

    async def receive(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=5)
        assert message.type is WSMsgType.TEXT, message
        assert isinstance(message.data, str)
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def until(self, method: str, *names: str) -> list[dict[str, Any]]:
        """Return the events up to one of this method (and `event` in its data)."""
        events, self.events = self.events, []
        seen = iter(events)
        found: list[dict[str, Any]] = []
        while True:
            frame = next(seen, None) or await self.receive()
            found.append(frame)
            data = frame.get("params", {}).get("data", {})
            if frame.get("method") == method and (not names or data.get("event") in names):
                return found

    async def run_to_end(self) -> list[dict[str, Any]]:
        return await self.until("lifecycle", *ENDS)

    async def closed(self) -> int | None:
        """Wait for the end of the socket; returns its code."""
        while (message := await self.socket.receive(timeout=5)).type not in (
            *(WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR),
        ):
            if message.type is WSMsgType.TEXT:
                self.events.append(json.loads(message.data))
        return self.socket.close_code


@asynccontextmanager
async def connected(hub: Any, thread: str = "t1", **options: Any) -> AsyncIterator[Client]:
    """A client on the socket of one thread."""
    async with hub.client.ws_connect(STREAM.format(thread), **options) as found:
        yield Client(found, thread)


@asynccontextmanager
async def many(
    hub: Any, protocols: tuple[str, ...] = ("hubbub.v1",), **options: Any
) -> AsyncIterator[Client]:
    """A client on the socket of many threads."""
    async with hub.client.ws_connect("/ws", protocols=protocols, **options) as found:
        yield Client(found, "")


def connections(hub: Any) -> Connections:
    found: Connections = hub.server.runner.app[CONNECTIONS]
    return found


def text_of(events: list[dict[str, Any]]) -> str:
    """Return what the deltas say."""
    data = [frame["params"]["data"] for frame in events if frame.get("method") == "messages"]
    return "".join(each["delta"]["text"] for each in data if "delta" in each)


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in events if "event_id" in frame]


async def held_run(hub: Any, thread: str = "t1") -> tuple[str, Channel]:
    """Start a run that waits, so that a test can write its events."""
    body = {"assistant_id": "wait", "input": {"text": "end"}, "if_not_exists": "create"}
    status, run = await hub.ask("POST", f"/threads/{thread}/runs", body)
    assert status == 200
    return run["run_id"], await hub.engine.threads.channel("default", thread)
