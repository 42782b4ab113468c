"""Readers that are too slow, or take nothing at all: what they cost, what they are told, how they end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import websockets

from hub.connections import Patience
from hub.frames import Frame
from hub.socket import Socket
from hub.stall import Stall, held_for
from runtime.runs.channel import Channel, Draft
from tests.hub.wire import STREAM, connected, connections, held_run, seqs

MOST = 2 << 20
"""Bytes that the process may hold for one reader."""


async def slow_reader(hub: Any, thread: str = "t1") -> websockets.ClientConnection:
    """A client that has subscribed to values and reads nothing more."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", hub.server.port))
    raw.setblocking(False)
    address = hub.url.replace("http", "ws") + STREAM.format(thread)
    client = await websockets.connect(address, sock=raw, compression=None, ping_interval=None, max_queue=1)
    params = {"channels": ["values", "custom"]}
    await client.send(json.dumps({"id": 1, "method": "subscription.subscribe", "params": params}))
    assert json.loads(await client.recv())["type"] == "success"
    return client


async def fill(channel: Channel, run: str, mebibytes: int) -> None:
    """Write many live events and one durable one."""
    for number in range(mebibytes * 64):
        channel.live(run, "values", {"n": number, "text": "x" * 16384})
        await asyncio.sleep(0)
    await channel.durable(run, [Draft("custom", {"name": "kept"})])


async def test_a_slow_reader_skips_live_events_and_nobody_waits_for_it(hub: Any) -> None:
    """It is told what it missed and gets every durable event; the other reader gets everything."""
    connections(hub).patience = Patience(late=0.05)
    run, channel = await held_run(hub)
    slow = await slow_reader(hub, "t1")
    async with connected(hub, max_msg_size=0) as quick:
        await quick.ask("subscription.subscribe", channels=["values"])
        reading = asyncio.create_task(quick.until("values", "last"))
        await fill(channel, run, 3)
        channel.live(run, "values", {"event": "last"})
        whole = await reading
    data = [event["params"]["data"] for event in whole]
    assert [each["n"] for each in data if "n" in each] == list(range(3 * 64))
    await asyncio.sleep(0.1)
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["params"]["data"].get("event") != "last":
        frames.append(json.loads(await asyncio.wait_for(slow.recv(), 5)))
    await slow.close()
    gaps = [frame["params"]["data"] for frame in frames if frame["method"] == "lagged"]
    assert gaps
    missed = {event["seq"] for event in whole} - set(seqs(frames))
    assert missed
    assert all(any(gap["from"] <= seq <= gap["to"] for gap in gaps) for seq in missed)
    assert [frame["params"]["data"]["name"] for frame in frames if frame["method"] == "custom"] == ["kept"]
    assert b"hubbub_deltas_dropped_total 0" not in hub.engine.telemetry.render()


async def exhaust(client: websockets.ClientConnection) -> None:
    """Read until the connection ends, which is raised."""
    while True:
        await client.recv()


async def test_a_reader_that_takes_nothing_is_cut_off(hub: Any) -> None:
    """After the last bit of patience the socket ends with 3008."""
    connections(hub).patience = Patience(late=0.05, stuck=0.2, closing=0.3)
    run, channel = await held_run(hub)
    slow = await slow_reader(hub, "t1")
    await fill(channel, run, 3)
    async with asyncio.timeout(5):
        while connections(hub)._open:
            await asyncio.sleep(0.01)
    with pytest.raises(websockets.ConnectionClosed):
        async with asyncio.timeout(5):
            await exhaust(slow)


class Held:
    """Counts what the process holds for the one socket there is."""

    def __init__(self, hub: Any) -> None:
        (found,) = connections(hub)._open
        assert isinstance(found, Socket)
        self._socket = found
        self._write, self._under_way, self.most = self._socket._delivery.write, 0, 0
        self._socket._delivery.write = self._counted

    async def _counted(self, frames: Sequence[Frame]) -> None:
        self._under_way = sum(len(frame.data) for frame in frames)
        await self._write(frames)
        self._under_way = 0

    def look(self) -> None:
        transport = self._socket._request.transport
        kept = self._socket._session.waiting + self._under_way
        kept += transport.get_write_buffer_size() if transport else 0
        self.most = max(self.most, kept)


@pytest.mark.parametrize(("size", "count"), [(16 << 10, 800), (900 << 10, 20)])
async def test_little_is_held_for_a_reader_that_takes_nothing(hub: Any, size: int, count: int) -> None:
    """However much is written for it, until it is closed."""
    connections(hub).patience = Patience(late=0.05, stuck=0.5, closing=0.3)
    run, channel = await held_run(hub)
    slow = await slow_reader(hub)
    held = Held(hub)
    for number in range(count):
        channel.live(run, "values", {"n": number, "text": "x" * size})
        channel.durable(run, [Draft("custom", {"name": "kept", "text": "x" * 1000})])
        await asyncio.sleep(0.001)
        held.look()
    async with asyncio.timeout(20):
        while connections(hub)._open:
            await asyncio.sleep(0.01)
            held.look()
    assert size < held.most <= MOST
    slow.transport.abort()


async def test_commands_of_a_client_that_reads_no_replies_are_not_carried_out_for_ever(hub: Any) -> None:
    """It gets to send no more when its replies pile up, and is closed in the end."""
    connections(hub).patience = Patience(stuck=0.5, closing=0.3)
    connections(hub).limits = connections(hub).limits.model_copy(update={"commands_per_second": 1e6})
    await held_run(hub)
    hub.engine.worker.states["t1"] = {"text": "x" * (700 << 10)}
    slow = await slow_reader(hub)
    held = Held(hub)
    command = json.dumps({"id": 1, "method": "state.get", "params": {"namespace": []}, "x": "x" * 10_000})
    sending = asyncio.create_task(send_for_ever(slow, command))
    async with asyncio.timeout(20):
        while connections(hub)._open:
            await asyncio.sleep(0.001)
            held.look()
    assert 700 << 10 < held.most <= MOST + (700 << 10)  # the reply that is made before there is room for it
    await asyncio.gather(sending, return_exceptions=True)
    slow.transport.abort()


async def send_for_ever(client: websockets.ClientConnection, text: str) -> None:
    while True:
        await client.send(text)


def test_a_client_that_takes_little_is_waited_for_and_one_that_takes_nothing_is_not() -> None:
    """Only the time since it last took something counts."""
    clock = SimpleNamespace(now=0.0, call=None, stuck=False, held=100)

    def call_later(delay: float, call: Any) -> Any:
        clock.at, clock.call = clock.now + delay, call
        return SimpleNamespace(cancel=lambda: None)

    def wait(seconds: float) -> None:
        until = clock.now + seconds
        while not clock.stuck and clock.at <= until:
            clock.now = clock.at
            clock.call()
        clock.now = until

    loop: Any = SimpleNamespace(time=lambda: clock.now, call_later=call_later)
    stall = Stall(10.0, lambda: clock.held, lambda: setattr(clock, "stuck", True), loop)
    with stall:
        for _ in range(100):
            wait(9.0)
            clock.held -= 1
        assert not clock.stuck
        stall.moved()
        wait(9.0)
        assert not clock.stuck
        wait(4.0)
        assert clock.stuck


async def test_what_the_kernel_holds_counts_as_not_taken(hub: Any) -> None:
    """It frees its buffer in large pieces; a slow client would look stuck without this."""
    run, channel = await held_run(hub)
    slow = await slow_reader(hub)
    (connection,) = connections(hub)._open
    assert isinstance(connection, Socket)
    for number in range(8):
        channel.live(run, "values", {"n": number, "text": "x" * 16384})
    transport = connection._request.transport
    async with asyncio.timeout(20):
        while held_for(transport) < 16384:
            await asyncio.sleep(0.01)
        assert transport
        assert transport.get_write_buffer_size() == 0
        for _ in range(8):
            await slow.recv()
        while held_for(transport):
            await asyncio.sleep(0.01)
    await slow.close()
