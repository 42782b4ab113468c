"""Streams of runs and threads that are cut at every event, and taken up where they were cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

MODES = ("values", "updates", "messages", "messages-tuple", "custom", "events")


@pytest.fixture
async def sdk(real: Any) -> AsyncIterator[Any]:
    """The official client."""
    async with get_client(url=real.url, api_key=None) as client:
        yield client


async def ended(real: Any, sdk: Any) -> tuple[str, str]:
    """Return a thread and a run on it that has ended, after another one."""
    thread = (await sdk.threads.create())["thread_id"]
    real.world.open_gate("a")
    for _ in range(2):
        run = await sdk.runs.create(thread, "gate", input={"file": "a"})
        await sdk.runs.join(thread, run["run_id"])
    return thread, run["run_id"]


def shown(parts: list[Any]) -> list[tuple[Any, str, Any]]:
    """Return what a client has seen: each part once, by its id."""
    return [(part.id, part.event, part.data) for part in parts]


async def collected(stream: AsyncIterator[Any]) -> list[Any]:
    """Collect a stream."""
    return [part async for part in stream]


@pytest.mark.parametrize("mode", MODES)
async def test_a_stream_that_is_cut_at_any_event_goes_on_there(real: Any, sdk: Any, mode: str) -> None:
    where = await ended(real, sdk)
    whole = shown(await collected(sdk.runs.join_stream(*where, stream_mode=mode)))
    ids = [id for id, _, _ in whole]
    assert len(set(ids)) == len(ids)
    for cut in range(len(whole) - 1):
        rest = await collected(sdk.runs.join_stream(*where, stream_mode=mode, last_event_id=ids[cut]))
        assert shown(rest) == whole[cut + 1 :], (mode, cut)


@pytest.mark.parametrize("mode", ["updates", "messages", "messages-tuple", "custom"])
async def test_it_goes_on_there_also_after_a_restart(real: Any, sdk: Any, mode: str) -> None:
    """Live pieces are gone then: whoever has seen a part of a message gets the whole."""
    where = await ended(real, sdk)
    seen = await collected(sdk.runs.join_stream(*where, stream_mode=mode))
    await real.restart()
    whole = shown(await collected(sdk.runs.join_stream(*where, stream_mode=mode)))
    for part in seen[:-1]:
        rest = shown(await collected(sdk.runs.join_stream(*where, stream_mode=mode, last_event_id=part.id)))
        place = tuple(map(int, part.id.split("-")))
        expected = [each for each in whole if tuple(map(int, each[0].split("-"))) > place]
        assert [each for each in rest if each[1] != "lagged"] == expected
    assert final_texts(whole) == final_texts(shown(seen))


def final_texts(parts: list[tuple[Any, str, Any]]) -> dict[str, str]:
    """Return the texts of messages as a client has them at the end."""
    texts: dict[str, str] = {}
    for _, name, data in parts:
        if not name.startswith("messages") or name == "messages/metadata":
            continue
        message = data[0]
        if message["type"] == "remove":
            texts.pop(message["id"], None)
        elif message["type"] == "AIMessageChunk":
            texts[message["id"]] = texts.get(message["id"], "") + message["content"]
        else:
            texts[message["id"]] = message["content"]
    return texts


@pytest.mark.parametrize("modes", [["updates", "messages-tuple"], ["custom"], ["messages", "events"]])
async def test_a_line_that_breaks_at_every_event_loses_and_doubles_nothing(
    real: Any, sdk: Any, modes: Any
) -> None:
    """The SDK comes back by itself, as often as the line breaks, and asks only for `Location`."""
    from .conftest import Line

    line = Line(real.url)
    server = await line.serve()
    where = await ended(real, sdk)
    whole = shown(await collected(sdk.runs.join_stream(*where, stream_mode=modes)))
    async with get_client(url=line.url, api_key=None) as client:
        seen = []
        async for part in client.runs.join_stream(*where, stream_mode=modes):
            seen.append(part)
            line.cut()
    server.close()
    assert shown(seen) == whole


async def test_whoever_comes_back_to_a_stream_gets_what_was_asked_for_at_first(real: Any, sdk: Any) -> None:
    """Also when it was asked for in the body of the request that started the run."""
    real.world.open_gate("a")
    body = {"assistant_id": "gate", "input": {"file": "a"}, "stream_mode": ["updates", "custom"]}
    async with real.client.post("/runs/stream", json=body) as answer:
        location, whole = answer.headers["Location"], await answer.text()
    async with real.client.get(location) as answer:
        assert await answer.text() == whole


async def test_the_id_of_another_run_is_refused(real: Any, sdk: Any) -> None:
    thread, run = await ended(real, sdk)
    [_, first] = [each["run_id"] for each in await sdk.runs.list(thread)]
    others = await collected(sdk.runs.join_stream(thread, first, stream_mode="updates"))
    with pytest.raises(UnprocessableEntityError, match="no event of the run"):
        await collected(sdk.runs.join_stream(thread, run, last_event_id=others[1].id))
    for nonsense in ("x", "99999999-0"):
        with pytest.raises(UnprocessableEntityError):
            await collected(sdk.runs.join_stream(thread, run, last_event_id=nonsense))
    with pytest.raises(NotFoundError):
        await collected(sdk.runs.join_stream("elsewhere", run))


# --------------------------------------------------------------------------- threads


async def some(stream: Awaitable[Any], count: int) -> list[Any]:
    """Return the first parts of a stream that does not end."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        async for part in await stream:
            found.append(part)
            if len(found) == count:
                break
    return found


async def test_a_threads_stream_shows_its_runs_one_after_the_other(real: Any, sdk: Any) -> None:
    thread, run = await ended(real, sdk)
    [_, first] = [each["run_id"] for each in await sdk.runs.list(thread)]
    told = await some(sdk.threads.join_stream(thread, stream_mode="lifecycle", last_event_id="-"), 4)
    assert [(part.event, part.data["run_id"], part.data.get("status")) for part in told] == [
        ("metadata", first, None),
        ("metadata", first, "run_done"),
        ("metadata", run, None),
        ("metadata", run, "run_done"),
    ]


async def test_a_threads_stream_is_taken_up_at_any_event(real: Any, sdk: Any) -> None:
    thread, _ = await ended(real, sdk)
    whole = await some(sdk.threads.join_stream(thread, last_event_id="-"), 20)
    names = {part.event for part in whole}
    assert {"metadata", "values", "updates", "messages"} <= names
    for cut, part in enumerate(whole[:-1]):
        rest = await some(sdk.threads.join_stream(thread, last_event_id=part.id), len(whole) - cut - 1)
        assert shown(rest) == shown(whole[cut + 1 :])


async def test_a_threads_stream_begins_now_and_tells_of_changes(real: Any, sdk: Any) -> None:
    thread, _ = await ended(real, sdk)
    reading = asyncio.create_task(some(sdk.threads.join_stream(thread, stream_mode="state_update"), 1))
    channel = await real.world.engine.threads.channel("default", thread)
    await real.world.until(lambda: channel.watched)
    await sdk.threads.update_state(thread, {"said": "mended"}, as_node="after")
    [told] = await reading
    assert (told.event, told.data["state"]["values"]["said"]) == ("state_update", "mended")
    with pytest.raises(UnprocessableEntityError, match="run_modes, lifecycle, state_update"):
        await some(sdk.threads.join_stream(thread, stream_mode="everything"), 1)
    with pytest.raises(UnprocessableEntityError, match="no event of this thread"):
        await some(sdk.threads.join_stream(thread, last_event_id="99999999-0"), 1)
    with pytest.raises(NotFoundError):
        await some(sdk.threads.join_stream("elsewhere"), 1)
