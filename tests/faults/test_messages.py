"""Messages of steps that fail in the middle, and a finished thread that is read after a crash."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph_sdk import get_client

from tests.faults.client import Client
from tests.faults.figures import count
from tests.faults.place import Place, until


def events_of(client: Client) -> list[tuple[str, str]]:
    """Return what happened to the client's messages: event and code."""
    told = [frame["params"]["data"] for frame in client.frames if frame["method"] == "messages"]
    return [(data["event"], data.get("code", "")) for data in told if "delta" not in data]


async def test_a_step_that_fails_in_a_message_takes_the_half_back_and_says_it_again(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("stumble", word="x")
        assert (await client.ended(run))["attempt"] == 1
        assert ("error", "restarted") in events_of(client)
        assert list(client.texts().values()) == ["half x whole x"]
        assert count(place, [client]).clean


async def test_a_step_that_was_to_be_tried_again_is_tried_again_after_a_kill(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("stumble", word="x")
        await client.until(lambda frame: frame["params"]["data"].get("code") == "restarted")
        await place.restart()
        await client.ended(run)
        assert list(client.texts().values()) == ["half x whole x"]
        figures = count(place, [client])
    assert figures.clean, figures


async def test_of_two_messages_at_once_each_half_is_taken_back_and_each_is_whole_in_the_end(
    place: Place,
) -> None:
    async with Client(place.url) as client:
        run = await client.start("parallel", word="x")
        await until(lambda: len(client.halves()) == 2)
        place.gate("gate-left")  # one is whole when the hub is killed, the other is not
        await until(lambda: len(client.halves()) == 1)
        await client.until(lambda frame: frame["method"] == "updates")
        await place.restart()
        place.gate("gate-right")
        assert (await client.ended(run))["event"] == "completed"
        whole = {word: "".join(f"{word}{number} " for number in range(20)) for word in ("left", "right")}
        assert sorted(client.texts().values()) == sorted(whole.values())
        assert [code for event, code in events_of(client) if event == "error"] == ["restarted"]
        figures = count(place, [client])
    assert figures.clean, figures


async def texts_of(thread: Any) -> list[str]:
    """Return the whole messages until the run has ended, as the SDK gives them."""

    async def whole(message: Any) -> str:
        return str(await message.text)

    return await asyncio.gather(*[asyncio.create_task(whole(message)) async for message in thread.messages])


async def test_the_official_sdk_gets_a_finished_thread_whole_from_a_hub_that_was_killed(place: Place) -> None:
    async with Client(place.url) as client:
        run = await client.start("chain", word="w", gate="g")
        await client.until(lambda frame: frame["method"] == "messages")
        await place.restart()
        place.gate("g")
        await client.ended(run)
        text = " ".join(f"w{number}" for number in range(40)) + " "
        await place.restart()
        sdk = get_client(url=place.url)
        for transport in ("websocket", "sse"):
            async with sdk.threads.stream(
                client.thread,
                assistant_id="chain",
                transport=transport,
            ) as thread:
                assert await asyncio.wait_for(texts_of(thread), 30) == [text]
                assert (await asyncio.wait_for(thread.output, 30))["said"] == "after w"
        joined = await sdk.runs.join(client.thread, run)
        assert joined["said"] == "after w"


async def test_a_run_that_waits_for_a_person_waits_over_kills_and_takes_one_answer(place: Place) -> None:
    async with Client(place.url) as client, Client(place.url, client.thread) as other:
        run = await client.start("ask", word="x")
        question = await client.asked(run)
        for victims in ("both", "hub", "writer"):
            if victims == "writer":
                place.kill(victims)
            else:
                await place.restart(victims)
        await until(lambda: client.connected and other.connected)
        command = {"interrupt_id": question, "response": "publish"}
        replies = await asyncio.gather(
            client.send("input.respond", **command), other.send("input.respond", **command)
        )
        assert sorted(reply["type"] for reply in replies if reply) == ["error", "success"]
        assert (await client.ended(run))["event"] == "completed"
        assert [line["text"] for line in place.ledger] == ["draft x", "publish x"]
        assert count(place, [client]).clean
