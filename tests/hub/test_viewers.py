"""Several viewers of one thread, each with what it asked for: channels, namespaces, depth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.protocol import read_subscribe
from hub.subscriptions import Subscription
from runtime.runs.channel import Channel, Draft
from runtime.runs.messages import MessageWriter
from runtime.types import Delta, Event
from tests.hub.wire import connected, held_run, many

AGENT, INNER = ("agent:1",), ("agent:1", "tools:2")


def write(channel: Channel, run: str) -> None:
    """Let a graph with a graph inside a graph speak."""
    for namespace in ((), AGENT, INNER):
        channel.durable(run, [Draft("lifecycle", {"event": "started", "run_id": run}, namespace)])
        message = MessageWriter(channel, run, f"m{len(namespace)}", {}, namespace=namespace)
        message.push(Delta(text=f"depth {len(namespace)}"))
        message.finish()
        channel.durable(run, [Draft("updates", {"node": "n", "values": {"a": 1}}, namespace)])
        channel.live(run, "tasks", {"id": "1", "name": "n", "input": {}, "triggers": []}, namespace)
        channel.live(run, "values", {"a": len(namespace)}, namespace)
    channel.durable(
        run, [Draft("custom", {"name": "progress", "payload": 1}), Draft("custom", {"payload": 2})]
    )
    channel.durable(
        run, [Draft("input.requested", {"interrupt_id": "i", "payload": "?", "value": "?"}, AGENT)]
    )
    channel.durable(run, [Draft("tools", {"event": "tool-started", "tool_call_id": "c"}, AGENT)])
    channel.durable(run, [Draft("checkpoints", {"id": "c", "step": 1, "source": "loop"})])
    channel.durable(run, [Draft("custom", {"name": "last", "payload": None})])


WANTED: list[tuple[dict[str, Any], set[tuple[str, int]]]] = [
    ({"channels": ["messages"]}, {("messages", 0), ("messages", 1), ("messages", 2)}),
    ({"channels": ["messages"], "namespaces": [[]], "depth": 0}, {("messages", 0)}),
    ({"channels": ["updates"], "depth": 1}, {("updates", 0), ("updates", 1)}),
    ({"channels": ["values", "tasks"], "namespaces": [["agent"]], "depth": 0}, {("values", 1), ("tasks", 1)}),
    ({"channels": ["tasks"], "namespaces": [["agent:1"]]}, {("tasks", 1), ("tasks", 2)}),
    ({"channels": ["tasks"], "namespaces": [["agent:9"]]}, set()),
    ({"channels": ["lifecycle"], "namespaces": [["agent", "tools"]]}, {("lifecycle", 2)}),
    ({"channels": ["input", "tools"]}, {("input.requested", 1), ("tools", 1)}),
    ({"channels": ["checkpoints"]}, {("checkpoints", 0)}),
    ({"channels": ["custom:progress"]}, {("custom", 0)}),
    ({"channels": ["values"], "namespaces": [["agent"], []], "depth": 0}, {("values", 0), ("values", 1)}),
]


async def test_each_viewer_gets_what_it_asked_for_and_nothing_else(hub: Any) -> None:
    """Eleven at once on one thread, and all of them end with the same event."""
    run, channel = await held_run(hub)

    async def watch(params: dict[str, Any]) -> list[dict[str, Any]]:
        async with connected(hub) as client:
            start = channel.last_seq
            await client.ask("subscription.subscribe", **params, since=start)
            await client.ask("subscription.subscribe", channels=["custom:last"], since=start)
            ready.append(client)
            frames = await client.until("custom")
            while frames[-1]["params"]["data"].get("name") != "last":
                frames += await client.until("custom")
            return frames[:-1]

    ready: list[Any] = []
    viewers = [asyncio.create_task(watch(params)) for params, _ in WANTED]
    async with asyncio.timeout(20):
        while len(ready) < len(WANTED):
            await asyncio.sleep(0.01)
    write(channel, run)
    for viewer, (params, wanted) in zip(viewers, WANTED, strict=True):
        frames = await viewer
        assert {(frame["method"], len(frame["params"]["namespace"])) for frame in frames} == wanted, params
        assert all(frame["params"]["data"].get("name") != "progress" for frame in frames) or (
            params["channels"] == ["custom:progress"]
        )


async def test_one_connection_may_watch_a_thread_through_several_subscriptions(hub: Any) -> None:
    """An event that two of them are for comes once."""
    run, channel = await held_run(hub)
    async with many(hub) as client:
        for params in (
            {"channels": ["messages", "custom"], "depth": 0},
            {"channels": ["messages"], "namespaces": [["agent"]]},
            {"channels": ["messages"], "namespaces": [["agent", "tools"]]},
        ):
            await client.ask("subscription.subscribe", thread="t1", **params)
        write(channel, run)
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["params"]["data"].get("name") != "last":
            frames += await client.until("custom")
    seqs = [frame["seq"] for frame in frames if "event_id" in frame]
    assert seqs == sorted(set(seqs))
    texts = [
        frame["params"]["data"]["delta"]["text"] for frame in frames if "delta" in frame["params"]["data"]
    ]
    assert texts == ["depth 0", "depth 1", "depth 2"]


@pytest.mark.parametrize(
    ("namespaces", "depth", "namespace", "matches"),
    [
        (None, None, ("a", "b", "c"), True),
        (None, 1, ("a", "b"), False),
        (None, 1, ("a",), True),
        ([], 0, (), True),
        ([["a"]], None, ("a:17",), True),
        ([["a"]], None, ("ab",), False),
        ([["a:17"]], None, ("a:18",), False),
        ([["a", "b"]], None, ("a",), False),
        ([["a"], ["x"]], 1, ("x:1", "y:2"), True),
        ([["a"], ["x"]], 1, ("x:1", "y:2", "z:3"), False),
    ],
)
def test_a_namespace_is_covered_by_what_it_begins_with(
    namespaces: list[list[str]] | None, depth: int | None, namespace: tuple[str, ...], matches: bool
) -> None:
    """The part of a segment after the colon may be left out; the depth counts from what it begins with."""
    given = read_subscribe({"channels": ["values"], "namespaces": namespaces, "depth": depth})
    event = Event("t", 1, "values", {}, "r", 0, namespace)
    assert Subscription.of("s", "t", given, 0).matches(event) is matches
