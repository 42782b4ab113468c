"""What sockets cost that do nothing, and what a reader costs that has stopped reading."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import time
import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import websockets
from langgraph_sdk import get_client

from bench.hub import Hub

_AT_ONCE = 50
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Stuck(NamedTuple):
    """What a reader that has stopped reading costs.

    `kib` of the hub's memory; `others` are the tokens a second of a reader beside it, over those of a
    reader alone.
    """

    kib: float
    others: float


async def idle(hub: Hub, sockets: int) -> float:
    """Return MiB of the hub's memory for idle sockets, each with one subscription."""
    client = get_client(url=hub.url)
    thread = (await client.threads.create())["thread_id"]
    before, opened, places = hub.memory(), list[socket.socket](), asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with places:
            opened.append(await _subscribed(hub, thread))

    try:
        await asyncio.gather(*(one() for _ in range(sockets)))
        return (hub.memory() - before) / 1024
    finally:
        for each in opened:
            each.close()


async def stuck(hub: Hub, readers: int, times: int) -> Stuck:
    """Stream four megabytes to a reader alone, beside one that has stopped reading, and beside many."""
    for _ in range(3):
        await _stream(hub)  # what the first ones need stays
    alone, beside_one, beside_many = [], [], []
    for _ in range(times):
        alone.append(await _stream(hub))
        beside_one.append(await _stream(hub, 1))
        beside_many.append(await _stream(hub, readers))
    grown = _median(each for each, _ in beside_many) - _median(each for each, _ in alone)
    others = _median(rate for _, rate in beside_one) / _median(rate for _, rate in alone)
    return Stuck(grown / readers, others)


def _median(measured: Iterable[float]) -> float:
    return statistics.median(measured)


async def _stream(hub: Hub, stuck: int = 0) -> tuple[int, float]:
    """Stream a run to one reader; returns KiB that the hub has grown by, and tokens a second."""
    client, id = get_client(url=hub.url), str(uuid.uuid4())
    await client.threads.create(thread_id=id)
    before = hub.memory()
    blocked = [await _subscribed(hub, id, receive=4096) for _ in range(stuck)]
    url = f"{hub.url.replace('http', 'ws')}/threads/{id}/stream/events"
    async with websockets.connect(url, compression=None, max_size=None) as reader:
        await reader.send(_subscribe())
        started = time.perf_counter()
        params = {"assistant_id": "flood", "input": {"question": "hi"}}
        await reader.send(json.dumps({"id": 2, "method": "run.start", "params": params}))
        words = 0
        while True:
            frame: Any = json.loads(await reader.recv())
            data = frame.get("params", {}).get("data", {})
            if data.get("event") == "content-block-delta":
                words += data["delta"]["text"].count(" ")
            if data.get("event") == "message-finish":
                break
        rate = words / (time.perf_counter() - started)
    grown = hub.memory() - before
    for each in blocked:
        each.close()
    return grown, rate


async def _subscribed(hub: Hub, thread: str, receive: int | None = None) -> socket.socket:
    """Open a WebSocket by hand, for that is cheap and reads only when told to, and subscribe."""
    loop, where = asyncio.get_running_loop(), urlsplit(hub.url)
    opened = socket.socket()
    opened.setblocking(False)
    if receive:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    await loop.sock_connect(opened, (where.hostname, where.port))
    path = f"/threads/{thread}/stream/events"
    await loop.sock_sendall(opened, _UPGRADE.format(path=path, host=where.netloc).encode())
    message = _subscribe().encode()
    await loop.sock_sendall(opened, bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
    answer = b""
    while b'"success"' not in answer:
        answer += await loop.sock_recv(opened, 4096)
    return opened


def _subscribe() -> str:
    return json.dumps({"id": 1, "method": "subscription.subscribe", "params": {"channels": ["messages"]}})
