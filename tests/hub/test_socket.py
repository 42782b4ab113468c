"""The sockets as clients see them: a real hub, real connections."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from hub.connections import Connections, Patience
from hub.parts import KEYRING
from hub.session import Bounds
from runtime.graphs.findings import Finding
from runtime.graphs.served import GraphState
from runtime.runs.channel import Draft
from runtime.runs.messages import MessageWriter
from runtime.settings import HubLimits
from runtime.types import Delta
from tests.hub.wire import STREAM, connected, connections, held_run, many, seqs, text_of

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
    monkeypatch.setattr(Connections, "bounds", Bounds(gather=1.0))  # long enough for a busy machine
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

    async def slowly(*thread: Any, **options: Any) -> Any:
        await asyncio.sleep(0.1)
        return await read(*thread, **options)

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


async def test_the_end_of_a_run_waits_for_a_subscription_that_has_arrived(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Official clients read nothing more of a run whose end they have seen."""
    read = hub.engine.worker.read

    async def slowly(*where: Any, **options: Any) -> Any:
        hub.engine.worker.release.set()
        await asyncio.sleep(0.1)
        return await read(*where, **options)

    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="wait", input={"text": "a b c"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        await client.until("lifecycle", "running")
        monkeypatch.setattr(hub.engine.worker, "read", slowly)
        await client.ask("subscription.subscribe", channels=["values", "messages", "lifecycle"])
        before = list(client.events)
        events = await client.run_to_end()
    assert "completed" not in [event["params"]["data"].get("event") for event in before]
    assert text_of(events) == "a b c "


async def test_the_end_of_a_run_waits_for_a_subscription_that_may_come(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it does not: the first text leaves at once."""
    async with connected(hub) as client:
        await client.ask("run.start", assistant_id="echo", input={"text": "a b c"})
        await client.ask("subscription.subscribe", channels=["lifecycle"])
        await client.run_to_end()
    monkeypatch.setattr("hub.connections.Connections.bounds", Bounds(gather=1.0))
    async with connected(hub) as client:
        await client.ask("subscription.subscribe", channels=["messages", "lifecycle"])
        before = await client.until("messages", "message-finish")
        await client.ask("subscription.subscribe", channels=["values", "messages", "lifecycle"])
        events = [*client.events, *await client.run_to_end()]
    assert text_of(before) == text_of(events) == "a b c "
    assert [event["params"]["data"].get("event") for event in [*before, *events]].count("completed") == 1


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
        for method, error in (("nonsense", "unknown_command"), ("input.respond", "invalid_argument")):
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
        assert (await client.ask("auth", token=key))["result"] == {"tenant": "acme", "expires_at": None}
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


# --------------------------------------------------------------------------- silent and gone


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
    patient = hub.engine.settings.hub.model_copy(update={"drain": 20.0})
    hub.engine.settings = hub.engine.settings.model_copy(update={"hub": patient})
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


async def test_who_subscribes_to_graphs_hears_of_edits_and_nobody_else(hub: Any) -> None:
    async with connected(hub) as client, many(hub) as idle:
        await client.ask("run.start", assistant_id="echo", input={"text": "a"})
        await client.ask("subscription.subscribe", channels=["graphs"])
        await idle.ask("ping")
        mistake = Finding("graphs/echo.toml", 3, 1, "E05", "there is no step b")
        hub.engine.graphs.told(GraphState("echo", "1", findings=(mistake,)))
        (*_, told) = await client.until("graphs")
        assert told["params"]["data"] == {
            "graph": "echo",
            "version": "1",
            "problems": ["graphs/echo.toml:3:1: error E05: there is no step b"],
        }
        hub.engine.graphs.told(GraphState("echo", "1", "2", 10, "3"))
        (*_, told) = await client.until("graphs")
        assert told["params"]["data"] == {
            "graph": "echo",
            "version": "1",
            "canary": "2",
            "percent": 10,
            "draft": "3",
            "problems": [],
        }
        await idle.ask("ping")
        assert idle.events == []
