"""The sockets as clients see them: a real hub, real connections."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import websockets
from aiohttp import WSMsgType

from hub.connections import CONNECTIONS, Connections, Patience
from hub.parts import KEYRING
from hub.session import Bounds
from runtime.runs.channel import Channel, Draft
from runtime.runs.messages import MessageWriter
from runtime.settings import HubLimits
from runtime.types import Delta

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


# --------------------------------------------------------------------------- runs and events


async def test_a_run_on_the_socket_of_its_thread(hub: Any) -> None:
    """Commands sent in one go are carried out in order; the events come whole and in order."""
    async with connected(hub) as client:
        await client.send("run.start", assistant_id="echo", input={"text": "a b c"})
        await client.send("subscription.subscribe", channels=["messages", "lifecycle", "updates"])
        started, subscribed = await client.reply(1), await client.reply(2)
        assert started["result"]["run_id"]
        assert subscribed["result"]["subscription_id"]
        events = await client.run_to_end()
    assert text_of(events) == "a b c "
    assert seqs(events) == sorted(set(seqs(events)))
    assert {event["event_id"] for event in events} == {f"t1:{event['seq']}" for event in events}
    assert {event["method"] for event in events} == {"messages", "lifecycle", "updates"}
    assert all(event["params"]["namespace"] == [] and event["params"]["timestamp"] for event in events)


async def test_the_same_idempotency_key_is_the_same_run(hub: Any) -> None:
    """A run that is asked for twice is started once; for something else the key is a conflict."""
    async with connected(hub) as client:
        asked = {"assistant_id": "echo", "input": {"text": "a"}, "idempotency_key": "k"}
        first, second = await client.ask("run.start", **asked), await client.ask("run.start", **asked)
        assert first["result"] == second["result"]
        other = await client.ask("run.start", **{**asked, "input": {"text": "b"}})
        assert (other["type"], other["error"]) == ("error", "conflict")


async def test_a_run_is_cancelled(hub: Any) -> None:
    """`run.cancel` answers when the run has stopped, and the events say so."""
    async with connected(hub) as client:
        run = (await client.ask("run.start", assistant_id="wait", input={"text": "a"}))["result"]["run_id"]
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        assert (await client.ask("run.cancel", run_id=run))["result"]["status"] == "cancelled"
        end = (await client.run_to_end())[-1]["params"]["data"]
        assert (end["event"], end["metadata"]["status"]) == ("failed", "cancelled")
        assert (await client.ask("run.cancel", run_id="none"))["error"] == "no_such_run"


async def test_the_state_is_read(hub: Any) -> None:
    """`state.get` gives all values or some; its reply says up to where events were applied."""
    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="echo", input={"text": "a"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        last = (await client.run_to_end())[-1]["seq"]
        whole = await client.ask("state.get", namespace=[])
        assert whole["result"]["values"] == {"text": "a", "answer": "a"}
        assert whole["result"]["checkpoint"] == {"id": "c1"}
        assert whole["meta"]["applied_through_seq"] == last
        assert (await client.ask("state.get", keys=["answer"]))["result"]["values"] == {"answer": "a"}
        assert (await client.ask("state.get", namespace=["sub"]))["error"] == "no_such_namespace"


async def test_a_new_subscriber_to_values_gets_the_current_state_first(hub: Any) -> None:
    """Before anything else, also on a thread on which nothing happens."""
    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="echo", input={"text": "a"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        await client.run_to_end()
    async with connected(hub) as late:
        await late.ask("subscription.subscribe", channels=["values"])
        first = await late.receive()
    assert (first["method"], first["params"]["data"]) == ("values", {"text": "a", "answer": "a"})


async def test_an_ended_subscription_is_silent(hub: Any) -> None:
    """After `subscription.unsubscribe` nothing comes; ending it twice is an error."""
    async with connected(hub) as client:
        run, channel = await held_run(hub)
        id = (await client.ask("subscription.subscribe", channels=["custom"]))["result"]["subscription_id"]
        await channel.durable(run, [Draft("custom", {"name": "a"})])
        assert (await client.until("custom"))[-1]["params"]["data"] == {"name": "a"}
        assert (await client.ask("subscription.unsubscribe", subscription_id=id))["result"] == {}
        await channel.durable(run, [Draft("custom", {"name": "b"})])
        assert (await client.ask("subscription.unsubscribe", subscription_id=id))[
            "error"
        ] == "no_such_subscription"
        assert client.events == []


async def test_two_subscriptions_a_few_milliseconds_apart_are_one_ordered_replay(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this the official JavaScript client loses text."""
    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="echo", input={"text": "a b c"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        await client.run_to_end()
    monkeypatch.setattr("hub.delivery._FRESH", 0)  # what has only just happened is not waited for as long
    # Longer than by default: the few milliseconds of this test may become many.
    monkeypatch.setattr("hub.connections.Connections.bounds", Bounds(gather=0.5))
    async with connected(hub) as client:
        await client.send("subscription.subscribe", channels=["lifecycle", "input"])
        await asyncio.sleep(0.004)
        await client.send("subscription.subscribe", channels=["messages", "lifecycle", "updates"])
        await client.reply(2)
        events = [*client.events, *await client.run_to_end()]
    assert seqs(events) == sorted(set(seqs(events)))
    assert text_of(events) == "a b c "


async def test_a_replay_waits_for_a_subscription_that_has_arrived(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its state takes to read: the end of a run may not come before its last values."""
    read = hub.engine.worker.read

    async def slowly(run: Any) -> Any:
        await asyncio.sleep(0.1)
        return await read(run)

    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="echo", input={"text": "a b c"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        await client.run_to_end()
    monkeypatch.setattr(hub.engine.worker, "read", slowly)
    async with connected(hub) as client:
        await client.send("subscription.subscribe", channels=["lifecycle"])
        await client.send("subscription.subscribe", channels=["values", "lifecycle"])
        await client.reply(2)
        events = [*client.events, *await client.run_to_end()]
    assert seqs(events) == sorted(set(seqs(events)))
    assert [event["method"] for event in events if "event_id" in event][-2:] == ["values", "lifecycle"]


async def test_two_viewers_see_the_same(hub: Any) -> None:
    """Every viewer gets every event, with the same ids and the same data."""
    async with connected(hub) as one, connected(hub) as other:
        run, channel = await held_run(hub)
        for client in (one, other):
            await client.ask("subscription.subscribe", channels=["messages", "lifecycle", "values"])
        message = MessageWriter(channel, run, "m1", {})
        for number in range(50):
            message.push(Delta(text=f"{number} "))
            await asyncio.sleep(0.001)
        message.finish()
        hub.engine.worker.release.set()
        first, second = await one.run_to_end(), await other.run_to_end()
    assert text_of(first) == "".join(f"{number} " for number in range(50)) + "end "
    assert first == second


async def test_the_first_text_leaves_at_once_and_fast_text_is_merged(hub: Any) -> None:
    """A hundred deltas written at once are a few frames."""
    async with connected(hub) as client:
        run, channel = await held_run(hub)
        await client.ask("subscription.subscribe", channels=["messages"])
        message = MessageWriter(channel, run, "m1", {})
        message.push(Delta(text="first"))
        assert text_of(await client.until("messages", "content-block-delta")) == "first"
        for _ in range(100):
            message.push(Delta(text="."))
        message.finish()
        events = await client.until("messages", "message-finish")
    assert text_of(events) == "." * 100
    assert len(events) < 10


async def test_coalesced_events_come_as_arrays(hub: Any) -> None:
    """Only a client that asked for it gets an array in one frame."""
    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="echo", input={"text": "a"})
        await client.ask("subscription.subscribe", channels=["lifecycle", "messages"], coalesce=True)
        frame: Any = await client.receive()
    assert isinstance(frame, list)
    assert len(frame) > 1
    assert all(event["type"] == "event" for event in frame)


# --------------------------------------------------------------------------- coming back


async def test_a_client_that_comes_back_goes_on_where_it_was(hub: Any) -> None:
    """With `since` it gets what follows, once; a seq from the future is refused."""
    run, channel = await held_run(hub)
    message = MessageWriter(channel, run, "m1", {})
    async with connected(hub) as client:
        await client.ask("subscription.subscribe", channels=["messages"])
        message.push(Delta(text="a "))
        seen = await client.until("messages", "content-block-delta")
        client.socket._response.connection.transport.abort()  # type: ignore[union-attr]
    for text in "bcd":
        message.push(Delta(text=f"{text} "))
    message.finish()
    await channel.durable(run, [])  # until all of it is shown
    async with connected(hub) as client:
        last = seen[-1]["seq"]
        refused = await client.ask("subscription.subscribe", channels=["messages"], since=10_000)
        assert refused["error"] == "invalid_argument"
        reply = await client.ask("subscription.subscribe", channels=["messages"], since=last)
        rest = await client.until("messages", "message-finish")
        assert reply["result"]["replayed_events"] == len(rest)
    assert text_of(rest) == "b c d "
    assert min(seqs(rest)) > last


async def test_on_the_socket_of_many_threads_a_client_is_told_whether_it_missed_anything(hub: Any) -> None:
    """`since` may name the process it was in; a place that this one cannot know is not recovered."""
    async with many(hub) as client:
        await client.ask("run.start", thread="a", assistant_id="echo", input={"text": "a"})
        first = (await client.ask("subscription.subscribe", thread="a", channels=["lifecycle"]))["result"]
        last = (await client.run_to_end())[-1]["seq"]
        assert first["recovered"] is True
        for since, recovered in (
            ({"epoch": first["epoch"], "seq": last}, True),
            ({"epoch": "gone", "seq": last + 1000}, False),
        ):
            params = {"channels": ["lifecycle"], "since": since}
            again = (await client.ask("subscription.subscribe", thread="a", **params))["result"]
            assert (again["recovered"], again["epoch"]) == (recovered, first["epoch"])


async def test_many_threads_share_a_socket(hub: Any) -> None:
    """Every reply and every event names its thread."""
    async with many(hub) as client:
        for thread in ("a", "b"):
            started = await client.ask(
                "run.start", thread=thread, assistant_id="echo", input={"text": thread}
            )
            assert started["thread"] == thread
            await client.ask("subscription.subscribe", thread=thread, channels=["messages", "lifecycle"])
        events = await client.run_to_end()
        events += await client.run_to_end()
    for thread in ("a", "b"):
        mine = [event for event in events if event["thread"] == thread]
        assert text_of(mine) == f"{thread} "
        assert seqs(mine) == sorted(seqs(mine))


# --------------------------------------------------------------------------- what is refused


async def test_nonsense_is_answered_and_the_socket_goes_on(hub: Any) -> None:
    """Bad JSON, deep JSON, other JSON, binary frames, unknown and later commands: an error each."""
    deep = "[" * 200 + "]" * 200
    async with connected(hub) as client:
        for text in (
            "",
            "{",
            "[1]",
            deep,
            '{"method":"ping"}',
            '{"id":1.5,"method":"ping"}',
            '{"id":"1","method":"ping"}',
        ):
            await client.socket.send_str(text)
            reply = await client.receive()
            assert (reply["type"], reply["id"], reply["error"]) == ("error", None, "invalid_argument"), text
            assert reply["message"].endswith(".")
        await client.socket.send_bytes(b"\x00\xff")
        assert (await client.receive())["error"] == "invalid_argument"
        await client.socket.send_str('{"id":3}')
        assert (await client.receive())["id"] == 3
        for method, error in (("nonsense", "unknown_command"), ("input.respond", "not_supported")):
            assert (await client.ask(method))["error"] == error
        wrong: list[dict[str, Any]] = [
            {},
            {"channels": []},
            {"channels": ["nope"]},
            {"channels": ["values"], "depth": -1},
            {"x": 1},
        ]
        for params in wrong:
            assert (await client.ask("subscription.subscribe", **params))["error"] == "invalid_argument"
        assert (await client.ask("run.start", assistant_id="ecco", input={}))["error"] == "not_found"
        assert (await client.ask("run.start", assistant_id="echo", input={}))["error"] == "invalid_argument"
        assert (await client.ask("state.get", thread="t2"))["error"] == "invalid_argument"
        assert (await client.ask("ping"))["result"] == {}


async def test_a_message_over_the_limit_ends_the_socket(hub: Any) -> None:
    """2 MiB is close code 1009, and the hub goes on."""
    async with connected(hub) as client:
        await client.socket.send_str("x" * (2 << 20))
        assert await client.closed() == 1009
    async with connected(hub) as client:
        assert (await client.ask("ping"))["result"] == {}


async def test_an_unknown_thread_is_not_found(hub: Any) -> None:
    """A subscription to it is refused; the socket then ends with the code that the official SDK reads."""
    async with connected(hub, "none") as client:
        assert (await client.ask("state.get"))["error"] == "not_found"
        assert (await client.ask("subscription.subscribe", channels=["values"]))["error"] == "not_found"
        assert await client.closed() == 4404
    async with many(hub) as client:
        reply = await client.ask("subscription.subscribe", thread="none", channels=["values"])
        assert (reply["error"], reply["thread"]) == ("not_found", "none")
        assert (await client.ask("state.get"))["error"] == "invalid_argument"
        assert (await client.ask("ping"))["result"] == {}


async def test_the_socket_of_many_threads_needs_its_subprotocol(hub: Any) -> None:
    """And neither address answers to something that is no handshake."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with many(hub, ()):
            pass
    assert refused.value.status == 422
    for path in ("/ws", STREAM.format("t1")):
        status, body = await hub.ask("GET", path)
        assert status == 422
        assert "WebSocket" in body["detail"]


async def test_bounds_are_refused_with_the_time_to_come_again(hub: Any) -> None:
    """Too many subscriptions, too many commands."""
    connections(hub).limits = HubLimits(subscriptions=2, commands_per_second=6)
    await hub.ask("POST", "/threads", {"thread_id": "t1"})
    async with connected(hub) as client:
        replies = [await client.ask("subscription.subscribe", channels=["values"]) for _ in range(3)]
        assert [reply["type"] for reply in replies] == ["success", "success", "error"]
        assert (replies[2]["error"], replies[2]["retryable"]) == ("rate_limited", True)
        for _ in range(10):
            await client.send("ping")
        refused = [reply for id in range(4, 14) if (reply := await client.reply(id))["type"] == "error"]
        assert refused
        assert all(reply["error"] == "rate_limited" and reply["retry_after_ms"] > 0 for reply in refused)


async def test_pages_of_others_and_other_names_are_refused(hub: Any) -> None:
    """Origin and Host are checked for sockets, too."""
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        for path, protocols in (("/ws", ("hubbub.v1",)), (STREAM.format("t1"), ())):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await hub.client.ws_connect(path, headers=headers, protocols=protocols)
            assert refused.value.status == 403
    async with connected(hub, headers={"Origin": hub.url}) as client:
        assert (await client.ask("ping"))["result"] == {}


# --------------------------------------------------------------------------- who


async def test_a_key_is_asked_for_and_taken_in_every_way(guarded: Any) -> None:
    """In a header, as a session cookie, as a subprotocol, and on `/ws` as a command."""
    _, key = await guarded.server.runner.app[KEYRING].create("me", "acme")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await guarded.client.ws_connect(STREAM.format("t1"))
    assert refused.value.status == 401
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-Api-Key": key}):
        async with connected(guarded, headers=headers) as client:
            assert (await client.ask("ping"))["result"] == {}
    async with connected(guarded, protocols=(f"bearer.{key}",)) as client:
        assert (await client.ask("run.start", assistant_id="echo", input={"text": "a"}))["type"] == "success"
    async with many(guarded, (f"bearer.{key}", "hubbub.v1")) as client:
        assert client.socket.protocol == "hubbub.v1"
        assert (await client.ask("state.get", thread="t1"))["type"] == "success"
    async with many(guarded) as client:
        assert (await client.ask("state.get", thread="t1"))["error"] == "unauthenticated"
        assert (await client.ask("auth", token=key))["result"] == {"tenant": "acme"}
        assert (await client.ask("state.get", thread="t1"))["type"] == "success"
    async with guarded.client.post("/auth/session", headers={"X-Api-Key": key}) as answer:
        cookie = answer.cookies["hubbub_session"].value
    async with connected(guarded, headers={"Cookie": f"hubbub_session={cookie}"}) as client:
        assert (await client.ask("state.get"))["type"] == "success"


async def test_a_wrong_token_ends_the_socket(guarded: Any) -> None:
    """As a command or a subprotocol with 3500, in a header with 401; none in time is 3502."""
    async with many(guarded) as client:
        assert (await client.ask("auth", token="hk_1_2"))["error"] == "unauthenticated"
        assert await client.closed() == 3500
    async with many(guarded, ("hubbub.v1", "bearer.hk_1_2")) as client:
        assert await client.closed() == 3500
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await guarded.client.ws_connect("/ws", protocols=("hubbub.v1",), headers={"X-Api-Key": "hk_1_2"})
    assert refused.value.status == 401
    connections(guarded).patience = Patience(auth=0.05)
    async with many(guarded) as client:
        assert await client.closed() == 3502


async def test_another_tenants_thread_is_none_at_all(guarded: Any) -> None:
    """For every command it is as if it did not exist."""
    keyring = guarded.server.runner.app[KEYRING]
    (_, mine), (_, theirs) = await keyring.create("a", "acme"), await keyring.create("b", "bolt")
    async with connected(guarded, headers={"X-Api-Key": mine}) as client:
        run = await client.ask("run.start", assistant_id="wait", input={"text": "a"})
    async with many(guarded, headers={"X-Api-Key": theirs}) as client:
        for method, params in (
            ("run.start", {"assistant_id": "echo", "input": {"text": "b"}}),
            ("run.cancel", {"run_id": run["result"]["run_id"]}),
            ("state.get", {}),
            ("subscription.subscribe", {"channels": ["values"]}),
        ):
            reply = await client.ask(method, thread="t1", **params)
            missing = "no_such_run" if method == "run.cancel" else "not_found"
            assert (method, reply["error"]) == (method, missing)
        assert (await client.ask("auth", token=mine))["error"] == "permission_denied"


# --------------------------------------------------------------------------- slow, silent and gone


async def slow_reader(hub: Any, thread: str) -> websockets.ClientConnection:
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


async def test_a_silent_client_is_kept_while_it_answers_pings(hub: Any) -> None:
    """Nothing at all is fine; not answering is not: 3012."""
    connections(hub).patience = Patience(heartbeat=0.05)
    async with connected(hub) as patient, connected(hub, autoping=False) as deaf:
        listening = asyncio.create_task(patient.socket.receive())
        assert await deaf.closed() == 3012
        assert not listening.done()
        await patient.send("ping")
        assert json.loads((await listening).data)["type"] == "success"


async def test_a_client_that_vanishes_leaves_nothing_behind(hub: Any) -> None:
    """The run goes on, and neither a task nor a watcher of the socket is left."""
    run, channel = await held_run(hub)
    before = {task.get_name() for task in asyncio.all_tasks()}
    async with connected(hub) as client:
        await client.ask("subscription.subscribe", channels=["messages", "values"])
        MessageWriter(channel, run, "m1", {}).push(Delta(text="a"))
        await client.until("messages", "content-block-delta")
        assert b"hubbub_sockets_open 1.0" in hub.engine.telemetry.render()
        client.socket._response.connection.transport.abort()  # type: ignore[union-attr]
    async with asyncio.timeout(5):
        while channel.watched or connections(hub)._open:
            await asyncio.sleep(0.01)
    assert b"hubbub_sockets_open 0.0" in hub.engine.telemetry.render()
    assert (
        not {task.get_name() for task in asyncio.all_tasks()}
        & {"delivery", "command", "close socket"} - before
    )
    hub.engine.worker.release.set()
    assert (await hub.engine.runs.wait("default", run)).status.value == "success"


async def test_a_hub_that_stops_tells_its_clients_to_move(hub: Any) -> None:
    """First `drain` with a time, then what a run that ends meanwhile still says, then 3001."""
    async with connected(hub) as client, many(hub) as idle:
        await client.ask("run.start", assistant_id="wait", input={"text": "a"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        await idle.ask("ping")
        stopping = asyncio.create_task(hub.server.stop())
        (*_, drain) = await client.until("drain")
        assert drain["params"]["data"]["reconnect_after_ms"] > 0
        assert (await client.ask("run.start", assistant_id="echo", input={"text": "a"}))[
            "error"
        ] == "rate_limited"
        hub.engine.worker.release.set()
        assert (await client.run_to_end())[-1]["params"]["data"]["event"] == "completed"
        assert (await client.closed(), await idle.closed()) == (3001, 3001)
        assert [event["method"] for event in idle.events] == ["drain"]
        await stopping
