"""Clients that ask for too much: each refusal says when to come again, and the hub stays as it was."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hub.connections import Patience
from hub.parts import KEYRING
from hub.socket import Socket
from runtime.settings import HubLimits, Settings, TenantLimits, TenantSettings
from tests.hub.wire import STREAM, Client, connected, connections, held_run, many


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Few connections, so that a test can use them up."""
    limits = {name: TenantSettings(limits=TenantLimits(connections=count)) for name, count in _MOST.items()}
    return settings.model_copy(update={"tenants": limits})


_MOST = {"default": 3, "acme": 1}


async def test_more_connections_than_a_tenant_may_have_are_refused(hub: Any) -> None:
    """Sockets with an error and 3504, streams with 429; who closes one may open another."""
    await hub.ask("POST", "/threads", {"thread_id": "t1"})
    body = {"channels": ["lifecycle"]}
    async with connected(hub) as first, many(hub):
        stream = await hub.client.post(STREAM.format("t1"), json=body)
        assert stream.status == 200
        for opened in (connected(hub), many(hub)):
            async with opened as fourth:
                refused = await fourth.receive()
                assert (refused["error"], refused["retryable"]) == ("rate_limited", True)
                assert refused["retry_after_ms"] > 0
                assert await fourth.closed() == 3504
        async with hub.client.post(STREAM.format("t1"), json=body) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) > 0
        await first.socket.close()
        async with asyncio.timeout(20):
            while len(connections(hub)._open) > 2:
                await asyncio.sleep(0.01)
        async with connected(hub) as another:
            assert (await another.ask("ping"))["type"] == "success"
        stream.close()
    async with asyncio.timeout(20):
        while connections(hub)._open or connections(hub)._tenants:
            await asyncio.sleep(0.01)


async def test_a_stream_that_is_refused_for_another_reason_does_not_count(hub: Any) -> None:
    """An unknown thread leaves no connection behind."""
    for _ in range(5):
        status, _body = await hub.ask("POST", STREAM.format("none"), {"channels": ["lifecycle"]})
        assert status == 404
    assert not connections(hub)._open


async def test_a_connection_counts_for_the_tenant_that_it_says_it_is_of(guarded: Any) -> None:
    """One that has not said so yet counts among those who have not."""
    keyring = guarded.server.runner.app[KEYRING]
    (_, mine), (_, theirs) = await keyring.create("a", "acme"), await keyring.create("b", "bolt")
    async with many(guarded) as first, many(guarded) as second, many(guarded) as third:
        async with many(guarded) as fourth:
            assert (await fourth.receive())["error"] == "rate_limited"
            assert await fourth.closed() == 3504
        assert (await first.ask("auth", token=mine))["result"]["tenant"] == "acme"
        refused = await second.ask("auth", token=mine)
        assert (refused["error"], refused["retry_after_ms"] > 0) == ("rate_limited", True)
        assert await second.closed() == 3504
        assert (await third.ask("auth", token=theirs))["result"]["tenant"] == "bolt"
        assert (await third.ask("auth.refresh", token=theirs))["type"] == "success"
        assert dict(connections(guarded)._tenants) == {"acme": 1, "bolt": 1}


async def flood(client: Client, text: str, count: int) -> None:
    for _ in range(count):
        await client.socket.send_str(text)


@pytest.mark.parametrize("text", ['{"id":1,"method":"ping"}', "nonsense", '{"id":1,"method":"state.get"}'])
async def test_who_goes_on_sending_while_refused_is_closed(hub: Any, text: str) -> None:
    """And a client that is refused now and then is not."""
    connections(hub).limits = HubLimits(commands_per_second=10)
    async with connected(hub) as wild, connected(hub) as tame:
        sending = asyncio.create_task(flood(wild, text, 1000))
        assert await wild.closed() == 3504
        await asyncio.gather(sending, return_exceptions=True)
        refused = [frame for frame in wild.events if frame.get("error") == "rate_limited"]
        assert len(refused) > 50
        assert all(frame["retry_after_ms"] > 0 for frame in refused)
        assert (await tame.ask("ping"))["type"] == "success"


async def test_commands_that_are_carried_out_at_the_same_time_are_bounded_in_bytes(hub: Any) -> None:
    """The next ones stay in the client's own buffers until there is room."""
    connections(hub).limits = HubLimits(commands_per_second=1e6)
    await held_run(hub)
    async with connected(hub) as client:
        (connection,) = connections(hub)._open
        assert isinstance(connection, Socket)
        text = json.dumps({"assistant_id": "wait", "input": {"text": "x" * 300_000}})
        commands = [f'{{"id":{id},"method":"run.start","params":{text}}}' for id in range(20)]

        async def send() -> None:
            for command in commands:
                await client.socket.send_str(command)

        sending, most = asyncio.create_task(send()), 0
        for id in range(20):
            assert (await client.reply(id))["type"] == "success"
            most = max(most, connection._bytes)
        await sending
        assert connection._bytes == 0
    assert most < (1 << 20) + 2 * len(commands[0])


async def test_a_socket_that_nobody_authenticates_makes_room(guarded: Any) -> None:
    """After its time is over it counts no more."""
    connections(guarded).patience = Patience(auth=0.05)
    async with many(guarded) as idle:
        assert await idle.closed() == 3502
    async with asyncio.timeout(20):
        while connections(guarded)._open:
            await asyncio.sleep(0.01)


async def test_a_tenant_without_limits_of_its_own_has_the_default_ones(tmp_path: Any) -> None:
    """Without any table it is a thousand."""
    settings = Settings(workspace=tmp_path)
    assert settings.tenant("acme").limits.connections == 1000
    few = settings.model_copy(
        update={"tenants": {"default": TenantSettings(limits=TenantLimits(connections=2))}}
    )
    assert few.tenant("acme").limits.connections == 2
