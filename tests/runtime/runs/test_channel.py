"""Events are numbered once, shown in order, durable ones after their commit, and replayed whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.errors import Conflict
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Thread
from runtime.runs import channel as channel_module
from runtime.runs.channel import RESERVE, Channel, Draft
from runtime.runs.messages import MessageWriter
from runtime.runs.threads import new_thread
from runtime.types import Delta, Event, ToolCall, Usage


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db", durability="normal")
    await opened.open()
    yield opened
    await opened.aclose()


@pytest.fixture
async def thread(journal: SqliteJournal) -> Thread:
    return await journal.create_thread(new_thread("default", "t", {}))


async def reopened(journal: SqliteJournal) -> Channel:
    stored = await journal.thread("t")
    assert stored
    return Channel.of(stored, "epoch", journal, 0)


def custom(value: int) -> Draft:
    return Draft("custom", {"name": "n", "payload": value})


async def everything(channel: Channel, after: int = 0) -> list[Event]:
    events: list[Event] = []
    while (batch := await channel.read(after, limit=3)).events:
        events += batch.events
        after = batch.events[-1].seq
    return events


async def test_a_live_event_waits_for_the_durable_one_before_it(
    journal: SqliteJournal, thread: Thread
) -> None:
    channel = await reopened(journal)
    await channel.durable("r", [custom(0)])
    shown: list[int] = []
    channel.watch(lambda: shown.append(channel.last_seq))
    done = channel.durable("r", [custom(1)])
    channel.live("r", "values", {"a": 2})
    assert shown == []
    await done
    assert [event.method for event in await everything(channel)] == ["custom", "custom", "values"]
    assert shown == [channel.last_seq]


async def test_seqs_go_on_above_everything_ever_shown_after_a_restart(
    journal: SqliteJournal, thread: Thread
) -> None:
    channel = await reopened(journal)
    await channel.durable("r", [custom(1)])
    for number in range(3 * RESERVE):
        channel.live("r", "values", {"n": number})
        if number % 500 == 0:
            await asyncio.sleep(0.001)
    await journal.barrier()
    await asyncio.sleep(0.05)
    highest = channel.last_seq
    again = await reopened(journal)
    await again.durable("r", [custom(2)])
    assert highest > 3 * RESERVE
    assert again.last_seq > highest


async def test_nothing_is_shown_above_what_the_journal_was_promised(
    journal: SqliteJournal, thread: Thread
) -> None:
    channel = await reopened(journal)
    for number in range(2 * RESERVE):
        channel.live("r", "values", {"n": number})  # without ever yielding: no promise can be kept meanwhile
    stored = await journal.thread("t")
    assert stored
    assert channel.last_seq <= stored.reserved or channel.last_seq == 0
    await journal.barrier()
    await asyncio.sleep(0.05)
    assert channel.last_seq == 2 * RESERVE


async def test_positions_stay_dense_after_a_refusal(journal: SqliteJournal, thread: Thread) -> None:
    channel, rival = await reopened(journal), await reopened(journal)
    await rival.durable("r", [custom(1)])
    with pytest.raises(Conflict, match="taken over"):
        await channel.durable("r", [custom(2)])
    assert [event.data["payload"] for event in await journal.events("t", after=0, limit=9)] == [1]
    assert await everything(channel) == []


async def test_an_old_reader_gets_the_durable_events_and_is_told_of_the_gap(
    journal: SqliteJournal, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "_BUFFER_EVENTS", 50)
    channel = await reopened(journal)
    for number in range(40):
        await channel.durable("r", [custom(number)])
        channel.live("r", "values", {"n": number})
    await channel.durable("r", [custom(40)])
    first = await channel.read(0, limit=5)
    assert first.gap is not None
    assert [event.data["payload"] for event in first.events] == [0, 1, 2, 3, 4]
    seen = await everything(channel)
    assert [event.data["payload"] for event in seen if event.method == "custom"] == list(range(41))
    assert [event.seq for event in seen] == sorted({event.seq for event in seen})


async def test_a_replay_from_the_log_is_a_whole_message(journal: SqliteJournal, thread: Thread) -> None:
    channel = await reopened(journal)
    message = MessageWriter(channel, "r", "m", {"langgraph_node": "write"})
    message.push(Delta(reasoning="hm"))
    for word in ("Hello", " ", "world"):
        message.push(Delta(text=word))
    message.push(Delta(tool_call=ToolCall(0, "c1", "look", '{"a"')))
    message.push(Delta(tool_call=ToolCall(0, arguments=": 1}")))
    message.finish(Usage(3, 2))
    await journal.barrier()
    await asyncio.sleep(0.02)
    sent = await everything(channel)
    live = [event.data["event"] for event in sent]
    assert live.count("content-block-delta") == 6
    replayed = await everything(await reopened(journal))
    # A client that saw the live events takes none of these for a new one.
    assert {event.id for event in replayed} < {event.id for event in sent}
    assert [event.data["event"] for event in replayed] == [
        *("message-start", "content-block-start", "content-block-finish"),
        *("content-block-start", "content-block-finish") * 2,
        "message-finish",
    ]
    finished = [event.data["content"] for event in replayed if event.data["event"] == "content-block-finish"]
    assert finished[0] == {"type": "reasoning", "reasoning": "hm"}
    assert finished[1] == {"type": "text", "text": "Hello world"}
    assert finished[2] == {"type": "tool_call", "id": "c1", "name": "look", "args": {"a": 1}}
    assert [event.seq for event in replayed] == sorted({event.seq for event in replayed})
    assert {event.data["message_id"] for event in replayed} == {"m"}


async def test_a_message_ends_with_the_usage_that_its_model_said(
    journal: SqliteJournal, thread: Thread
) -> None:
    channel = await reopened(journal)
    message = MessageWriter(channel, "r", "m", {})
    message.push(Delta(text="word"))
    message.push(Delta(usage=Usage(3, 2), finish="stop"))
    message.finish()
    await journal.barrier()
    await asyncio.sleep(0.02)
    assert (await everything(channel))[-1].data["usage"]["total_tokens"] == 5


async def test_what_comes_after_the_end_of_a_message_is_dropped(
    journal: SqliteJournal, thread: Thread
) -> None:
    channel = await reopened(journal)
    message = MessageWriter(channel, "r", "m", {})
    message.push(Delta(text="half"))
    message.fail("incomplete", "The model stopped.")
    message.push(Delta(text=" more"))
    message.finish()
    await journal.barrier()
    await asyncio.sleep(0.02)
    events = [event.data["event"] for event in await everything(channel)]
    assert events == ["message-start", "content-block-start", "content-block-delta", "error"]


async def test_a_promise_that_did_not_reach_the_disk_does_not_count(
    journal: SqliteJournal, thread: Thread
) -> None:
    channel = await reopened(journal)
    promised = channel.promise()
    refused = channel.number("r", [custom(1)])
    assert channel.reserved == 0 < promised
    channel.settle(refused, committed=False, reserved=promised)
    assert channel.reserved == 0


async def test_the_buffer_is_bounded_in_bytes_and_keeps_what_nobody_has_had_time_to_read(
    journal: SqliteJournal, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "_BUFFER_BYTES", 20_000)
    channel = await reopened(journal)
    await channel.durable("r", [custom(1)])
    for number in range(50):
        channel.live("r", "values", {"text": str(number) * 1000})
        newest = (await channel.read(channel.last_seq - 1)).events
        assert [event.data["text"][-1] for event in newest] == [str(number)[-1]]
    assert channel.bytes <= 20_000 + 5_000
    channel.live("r", "values", {"text": "x" * 100_000})
    newest = (await channel.read(channel.last_seq - 1)).events
    assert len(newest[0].data["text"]) == 100_000
    gone = await channel.read(channel.last_seq - 40)
    assert gone.gap is not None
