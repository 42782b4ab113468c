"""The official SDK's thread streams, unchanged, on both transports."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from langgraph_sdk import get_client

from hub.parts import KEYRING
from runtime.runs.messages import MessageWriter
from runtime.types import Delta

Transport = Literal["websocket", "sse"]

pytestmark = pytest.mark.parametrize("transport", ["websocket", "sse"])

WORDS = " ".join(f"w{number}" for number in range(300))


async def texts_of(thread: Any) -> list[list[str]]:
    """Return the pieces of every message until the run has ended.

    Each message needs a task: the SDK feeds it only while its `messages` are iterated.
    """

    async def pieces(message: Any) -> list[str]:
        return [text async for text in message.text]

    return await asyncio.gather(*[asyncio.create_task(pieces(message)) async for message in thread.messages])


async def test_a_run_streams_its_message_in_pieces(hub: Any, transport: Transport) -> None:
    """`run.start`, then `messages`, gives the whole text."""
    client = get_client(url=hub.url)
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        started = await thread.run.start(input={"text": WORDS})
        assert started["run_id"]
        texts = await asyncio.wait_for(texts_of(thread), 5)
    assert ["".join(pieces) for pieces in texts] == [WORDS + " "]
    assert len(texts[0]) > 1


async def test_values_come_one_after_the_other_and_the_last_is_the_state(
    hub: Any, transport: Transport
) -> None:
    """`values` ends with the run, and its last state is what the run left."""
    client = get_client(url=hub.url)
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        await thread.run.start(input={"text": "a b"})
        states = [values async for values in thread.values]
        state = await client.threads.get_state(thread.thread_id)
    assert states[-1] == {"text": "a b", "answer": "a b"} == state["values"]


async def test_output_waits_for_the_end(hub: Any, transport: Transport) -> None:
    """`thread.output` is the state after the run."""
    client = get_client(url=hub.url)
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        await thread.run.start(input={"text": "a b"})
        assert await asyncio.wait_for(thread.output, 5) == {"text": "a b", "answer": "a b"}


async def test_a_hub_that_asks_for_keys_takes_it_from_the_streams_headers(
    guarded: Any, transport: Transport
) -> None:
    """The SDK sends `api_key` over HTTP alone, and `headers` over both."""
    _, key = await guarded.server.runner.app[KEYRING].create("me", "acme")
    client = get_client(url=guarded.url, api_key=key)
    headers = {"X-Api-Key": key}
    async with client.threads.stream(assistant_id="echo", transport=transport, headers=headers) as thread:
        await thread.run.start(input={"text": "a b"})
        assert await asyncio.wait_for(thread.output, 5) == {"text": "a b", "answer": "a b"}


async def test_a_failed_run_raises_in_the_client(hub: Any, transport: Transport) -> None:
    """`thread.output` says why a run failed."""
    client = get_client(url=hub.url)
    async with client.threads.stream(assistant_id="fail", transport=transport) as thread:
        await thread.run.start(input={"text": "a"})
        with pytest.raises(RuntimeError, match="No model answered"):
            await asyncio.wait_for(thread.output, 5)


async def test_a_refused_run_raises_the_protocols_error(hub: Any, transport: Transport) -> None:
    """An unknown graph is an error with its code and sentence."""
    client = get_client(url=hub.url)
    async with client.threads.stream(assistant_id="ecco", transport=transport) as thread:
        with pytest.raises(RuntimeError, match=r"\[not_found\].*did you mean"):
            await thread.run.start(input={"text": "a"})


async def test_custom_events_are_an_extension(hub: Any, transport: Transport) -> None:
    """`thread.extensions[NAME]` gets the custom events of that name."""
    client = get_client(url=hub.url)
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        await thread.run.start(input={"text": "a"})
        noticed = [data async for data in thread.extensions["noticed"]]
    assert noticed == [{"name": "noticed", "payload": {"words": 1}}]


async def test_a_thread_named_by_the_client_is_made_by_its_first_run(hub: Any, transport: Transport) -> None:
    """A stream opened before its thread exists is refused so that the SDK opens it again."""
    client = get_client(url=hub.url)
    async with client.threads.stream("mine", assistant_id="echo", transport=transport) as thread:
        await asyncio.sleep(0.05)
        await thread.run.start(input={"text": "a b"})
        assert await asyncio.wait_for(thread.output, 5) == {"text": "a b", "answer": "a b"}


async def test_a_second_run_on_the_thread_streams_only_itself(hub: Any, transport: Transport) -> None:
    """Without `since` a replay begins at the newest run."""
    client = get_client(url=hub.url)
    for words in ("one two", "three four"):
        async with client.threads.stream("t1", assistant_id="echo", transport=transport) as thread:
            await thread.run.start(input={"text": words})
            texts = await asyncio.wait_for(texts_of(thread), 5)
            assert ["".join(pieces) for pieces in texts] == [f"{words} "]


async def test_a_broken_connection_is_taken_up_where_it_broke(
    hub: Any, line: Any, transport: Transport
) -> None:
    """When connections break inside a message the SDK comes back and gets the rest, nothing twice."""
    client = get_client(url=line.url)
    async with client.threads.stream("t1", assistant_id="wait", transport=transport) as thread:
        started = await thread.run.start(input={"text": "the end"})
        reading = asyncio.create_task(texts_of(thread))
        channel = await hub.engine.threads.channel("default", "t1")
        message = MessageWriter(channel, started["run_id"], "m1", {"langgraph_node": "answer"})
        for number in range(90):
            message.push(Delta(text=f"{number} "))
            await asyncio.sleep(0.002)
            if number in (30, 60):
                assert line.cut() >= 2
        message.finish()
        hub.engine.worker.release.set()
        texts = await asyncio.wait_for(reading, 10)
    assert ["".join(pieces) for pieces in texts] == [
        "".join(f"{number} " for number in range(90)),
        "the end ",
    ]
