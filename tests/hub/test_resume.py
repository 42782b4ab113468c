"""Clients that are cut off anywhere come back and miss nothing, over every transport and over restarts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import WSMsgType

from runtime.runs.channel import Channel, Draft
from runtime.runs.messages import MessageWriter
from runtime.settings import Settings
from runtime.types import Delta
from tests.hub.conftest import Hub, running

TOKENS = 200
CHANNELS = ["messages", "custom", "lifecycle", "updates"]
STREAM = "/threads/t1/stream/events"

Frame = dict[str, Any]


class Viewer(Protocol):
    """One connection that is sent the events of the thread t1."""

    async def next(self) -> Frame:
        """Return what comes next."""

    def kill(self) -> None:
        """Break the connection without a word."""


class SocketViewer:
    """On the socket of one thread, or on that of many."""

    def __init__(
        self, hub: Hub, since: Any, *, many: bool = False, channels: list[str] | None = None
    ) -> None:
        self._hub, self._many = hub, many
        self._params: Frame = {"channels": channels or CHANNELS}
        if since is not None:
            self._params["since"] = since
        self.reply: Frame = {}

    async def open(self) -> Viewer:
        path, protocols = ("/ws", ("hubbub.v1",)) if self._many else (STREAM, ())
        self._socket = await self._hub.client.ws_connect(path, protocols=protocols)
        command: Frame = {"id": 1, "method": "subscription.subscribe", "params": self._params}
        await self._socket.send_json(command | ({"thread": "t1"} if self._many else {}))
        self.reply = (await self.next())["result"]
        return self

    async def next(self) -> Frame:
        message = await self._socket.receive(timeout=20)
        assert message.type is WSMsgType.TEXT, message
        frame: Frame = json.loads(message.data)
        return frame

    def kill(self) -> None:
        self._socket._response.connection.transport.abort()  # type: ignore[union-attr]


class StreamViewer:
    """On server-sent events."""

    def __init__(self, hub: Hub, since: Any, *, header: bool = False) -> None:
        self._hub, self._headers = hub, {}
        self._body: Frame = {"channels": CHANNELS}
        if header and since:
            self._headers = {"Last-Event-ID": f"t1:{since}"}
        elif since is not None:
            self._body["since"] = since

    async def open(self) -> Viewer:
        self._response = await self._hub.client.post(STREAM, json=self._body, headers=self._headers)
        assert self._response.status == 200, await self._response.text()
        return self

    async def next(self) -> Frame:
        data = ""
        while line := (await asyncio.wait_for(self._response.content.readline(), 20)).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            data = value if name == "data" else data
        frame: Frame = json.loads(data) if data else {"method": "heartbeat"}
        return frame

    def kill(self) -> None:
        self._response.close()


async def open_viewer(kind: str, hub: Hub, since: Any) -> Viewer:
    match kind:
        case "WS":
            return await SocketViewer(hub, since).open()
        case "/ws":
            return await SocketViewer(hub, since, many=True).open()
        case "SSE":
            return await StreamViewer(hub, since).open()
        case _:
            return await StreamViewer(hub, since, header=True).open()


async def until_end(viewer: Viewer) -> list[Frame]:
    """Return what comes up to the end of the run."""
    found: list[Frame] = []
    while not found or not ends(found[-1]):
        found.append(await viewer.next())
    viewer.kill()
    return found


def ends(frame: Frame) -> bool:
    return frame["method"] == "lifecycle" and frame["params"]["data"]["event"] in ("completed", "failed")


def text_of(frame: Frame) -> str:
    data = frame["params"]["data"]
    return str(data["delta"]["text"]) if "delta" in data else ""


async def held_run(hub: Hub) -> tuple[str, Channel]:
    """Start a run whose events a test writes."""
    body = {"assistant_id": "wait", "input": {"text": "end"}, "if_not_exists": "create"}
    _, run = await hub.ask("POST", "/threads/t1/runs", body)
    return run["run_id"], await hub.engine.threads.channel("default", "t1")


@pytest.mark.parametrize("kind", ["WS", "/ws", "SSE", "SSE with Last-Event-ID"])
async def test_a_client_that_is_killed_after_each_of_200_tokens_misses_none(hub: Hub, kind: str) -> None:
    """It comes back with the last seq it saw; meanwhile the model goes on writing."""
    run, channel = await held_run(hub)
    message = MessageWriter(channel, run, "m1", {})
    frames: list[Frame] = []
    since: int | None = None
    for number in range(TOKENS):
        if number % 2:
            message.push(Delta(text=f"<{number}>"))
        if number % 20 == 10:
            await channel.durable(run, [Draft("custom", {"name": "note", "payload": number})])
        viewer = await open_viewer(kind, hub, since)
        if not number % 2:
            message.push(Delta(text=f"<{number}>"))
        while not frames or f"<{number}>" not in text_of(frames[-1]):
            frames.append(await viewer.next())
        viewer.kill()
        since = frames[-1]["seq"]
    message.finish()
    hub.engine.worker.release.set()
    frames += await until_end(await open_viewer(kind, hub, since))

    written = "".join(f"<{number}>" for number in range(TOKENS))
    mine = [frame for frame in frames if frame["params"]["data"].get("message_id") == "m1"]
    assert "".join(map(text_of, mine)) == written
    seen = Counter(frame["event_id"] for frame in frames)
    assert [id for id, count in seen.items() if count > 1] == []
    assert [frame["seq"] for frame in frames] == sorted(frame["seq"] for frame in frames)
    durable = await hub.engine.journal.events("t1", after=0, limit=1000)
    wanted = {event.id for event in durable if event.method in CHANNELS}
    assert wanted - seen.keys() == set()


async def test_from_every_event_on_a_viewer_gets_exactly_the_rest(hub: Hub) -> None:
    """Whichever event of a run was the last that arrived: the very same frames follow it."""
    run, channel = await held_run(hub)
    message = MessageWriter(channel, run, "m1", {})
    for number in range(60):
        message.push(Delta(text=f"<{number}>"))
        if number % 7 == 0:
            channel.durable(run, [Draft("updates", {"node": "a", "values": {"n": number}})])
            await asyncio.sleep(0.02)
    message.finish()
    hub.engine.worker.release.set()
    await hub.engine.runs.wait("default", run)
    whole = await until_end(await open_viewer("WS", hub, 0))
    for place, frame in enumerate(whole[:-1]):
        rest = await until_end(await open_viewer("WS", hub, frame["seq"]))
        assert rest == whole[place + 1 :], frame


async def test_over_a_restart_every_durable_event_comes_once_and_texts_come_whole(
    tmp_path: Path, settings: Settings
) -> None:
    """From every place: the same ids and data as before, and texts whose pieces are gone are whole."""
    async with running(tmp_path, settings) as hub:
        run, channel = await held_run(hub)
        message = MessageWriter(channel, run, "m1", {})
        for number in range(30):
            message.push(Delta(text=f"<{number}>"))
            await asyncio.sleep(0.02 if number % 7 == 0 else 0)
        await channel.durable(run, [Draft("custom", {"name": "note", "payload": 1})])
        message.finish()
        hub.engine.worker.release.set()
        await hub.engine.runs.wait("default", run)
        before = await until_end(await open_viewer("WS", hub, 0))
        durable = {event.id for event in await hub.engine.journal.events("t1", after=0, limit=1000)}
    kept = {frame["event_id"]: frame for frame in before if frame["event_id"] in durable}
    async with running(tmp_path, settings) as hub:
        for frame in before[:-1]:
            seq = frame["seq"]
            after = await until_end(await open_viewer("WS", hub, seq))
            events = [each for each in after if each["method"] != "lagged"]
            assert [each["seq"] for each in events] == sorted({each["seq"] for each in events})
            again = {each["event_id"]: each for each in events if each["event_id"] in durable}
            assert again == {id: each for id, each in kept.items() if each["seq"] > seq}
            whole = [each["params"]["data"] for each in events if "content" in each["params"]["data"]]
            texts = [data["content"]["text"] for data in whole if data["event"] == "content-block-finish"]
            assert all(text in ("".join(f"<{number}>" for number in range(30)), "end ") for text in texts)
        _, channel = await held_run(hub)
        assert channel.last_seq > before[-1]["seq"]


async def test_a_thread_at_rest_is_recovered_whole_running(tmp_path: Path, settings: Settings) -> None:
    """Nothing can have been missed after the last event, so nobody is told that something was."""
    async with running(tmp_path, settings) as hub:
        run, _ = await held_run(hub)
        hub.engine.worker.release.set()
        await hub.engine.runs.wait("default", run)
        first = SocketViewer(hub, 0, many=True)
        seen = await until_end(await first.open())
    async with running(tmp_path, settings) as hub:
        last = SocketViewer(hub, {"epoch": first.reply["epoch"], "seq": seen[-1]["seq"]}, many=True)
        await last.open()
        assert last.reply["recovered"] is True
        assert last.reply["epoch"] != first.reply["epoch"]
        middle = SocketViewer(hub, seen[2]["seq"], many=True)
        frames = await until_end(await middle.open())
        assert middle.reply["recovered"] is False
        assert frames[0]["method"] == "lagged"
        gap = frames[0]["params"]["data"]
        assert gap["from"] == seen[2]["seq"] + 1
        durable = SocketViewer(hub, seen[2]["seq"], many=True, channels=["lifecycle", "custom"])
        await durable.open()
        assert durable.reply["recovered"] is True


async def test_pieces_of_a_text_that_the_buffer_lost_are_replaced_by_the_whole(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The viewer is told which events it cannot get, and the block's finish holds the whole text."""
    monkeypatch.setattr("runtime.runs.channel._BUFFER_EVENTS", 50)
    run, channel = await held_run(hub)
    message = MessageWriter(channel, run, "m1", {})
    message.push(Delta(text="<0>"))
    viewer = await open_viewer("WS", hub, 0)
    frames: list[Frame] = []
    while not frames or not text_of(frames[-1]):
        frames.append(await viewer.next())
    viewer.kill()
    for number in range(1, 300):
        message.push(Delta(text=f"<{number}>"))
    message.finish()
    hub.engine.worker.release.set()
    await hub.engine.runs.wait("default", run)
    rest = await until_end(await open_viewer("WS", hub, frames[-1]["seq"]))
    assert rest[0]["method"] == "lagged"
    finish = next(frame for frame in rest if frame["params"]["data"].get("event") == "content-block-finish")
    assert finish["params"]["data"]["content"]["text"] == "".join(f"<{number}>" for number in range(300))


@pytest.mark.parametrize("kind", ["WS", "/ws", "SSE"])
async def test_a_place_that_nobody_can_have_seen_is_refused(hub: Hub, kind: str) -> None:
    """A seq from the future, and an id of another thread."""
    run, channel = await held_run(hub)
    future = channel.last_seq + 1
    if kind == "SSE":
        for body, headers in (
            ({"channels": CHANNELS, "since": future}, {}),
            ({"channels": CHANNELS}, {"Last-Event-ID": "t2:1"}),
            ({"channels": CHANNELS}, {"Last-Event-ID": "nonsense"}),
        ):
            status, answer = await hub.ask("POST", STREAM, body, headers=headers)
            assert (status, answer["code"]) == (422, "invalid_argument")
        return
    path, protocols = ("/ws", ("hubbub.v1",)) if kind == "/ws" else (STREAM, ())
    async with hub.client.ws_connect(path, protocols=protocols) as socket:
        asked = [
            ("subscription.subscribe", {"channels": CHANNELS, "since": future}),
            ("subscription.reconnect", {"run_id": run, "last_event_id": f"t1:{future}"}),
            ("subscription.reconnect", {"run_id": run, "last_event_id": "t2:1"}),
        ]
        for id, (method, params) in enumerate(asked):
            await socket.send_json({"id": id, "method": method, "thread": "t1", "params": params})
            reply = await socket.receive_json(timeout=20)
            assert (reply["id"], reply["error"]) == (id, "invalid_argument")


@pytest.mark.parametrize("many", [False, True])
async def test_subscriptions_are_restored_on_a_new_connection(
    tmp_path: Path, settings: Settings, many: bool
) -> None:
    """Also by a hub that was started anew: `subscription.reconnect` needs no memory of the old one."""

    def command(id: int, method: str, params: Frame) -> Frame:
        return {"id": id, "method": method, "params": params} | ({"thread": "t1"} if many else {})

    path, protocols = ("/ws", ("hubbub.v1",)) if many else (STREAM, ())
    async with running(tmp_path, settings) as hub:
        run, channel = await held_run(hub)
        async with hub.client.ws_connect(path, protocols=protocols) as socket:
            for id, channels in enumerate((["lifecycle"], ["custom:note", "updates"])):
                await socket.send_json(command(id, "subscription.subscribe", {"channels": channels}))
            frames = [await socket.receive_json(timeout=20) for _ in range(4)]
            ids = [frame["result"]["subscription_id"] for frame in frames if "result" in frame]
            last = [frame["event_id"] for frame in frames if "event_id" in frame][-1]
        await channel.durable(run, [Draft("custom", {"name": "other"}), Draft("custom", {"name": "note"})])
        hub.engine.worker.release.set()
        await hub.engine.runs.wait("default", run)
    async with (
        running(tmp_path, settings) as hub,
        hub.client.ws_connect(path, protocols=protocols) as socket,
    ):
        params = {"run_id": run, "last_event_id": last, "subscriptions": ids}
        await socket.send_json(command(7, "subscription.reconnect", params))
        reply = await socket.receive_json(timeout=20)
        result = reply["result"]
        assert result["restored"] is True
        assert result["current_namespaces"] == [{"namespace": [], "status": "completed"}]
        assert result.get("recovered", True) is True
        frames = [await socket.receive_json(timeout=20) for _ in range(result["missed_events"])]
        methods = [(frame["method"], frame["params"]["data"].get("name")) for frame in frames]
        assert methods == [("custom", "note"), ("updates", None), ("lifecycle", None)]
        for id in ids:
            await socket.send_json(command(8, "subscription.unsubscribe", {"subscription_id": id}))
            assert (await socket.receive_json(timeout=20))["type"] == "success"
        for params, error in (
            ({"run_id": run, "subscriptions": ["s1.nonsense"]}, "no_such_subscription"),
            ({"run_id": "none"}, "no_such_run"),
            ({"run_id": run, "since": 1}, "invalid_argument"),
        ):
            await socket.send_json(command(9, "subscription.reconnect", params))
            assert (await socket.receive_json(timeout=20))["error"] == error
