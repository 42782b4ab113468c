"""`/runs` and `/threads/{id}/runs`, mostly through the official SDK, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import orjson
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

ECHO: dict[str, Any] = {"assistant_id": "echo", "input": {"text": "one two"}}


@pytest.fixture
async def sdk(hub: Any) -> AsyncIterator[LangGraphClient]:
    """The official client."""
    async with get_client(url=hub.url, api_key=None) as client:
        yield client


async def parts(stream: AsyncIterator[Any]) -> list[tuple[str, Any]]:
    """Collect a stream."""
    return [(part.event, part.data) async for part in stream]


# --------------------------------------------------------------------------- start and wait


async def test_a_stateless_run_returns_the_final_state(sdk: LangGraphClient) -> None:
    assert await sdk.runs.wait(None, "echo", input={"text": "hi"}) == {"text": "hi", "answer": "hi"}


async def test_a_run_on_a_thread_returns_the_final_state_also_when_joined_later(sdk: LangGraphClient) -> None:
    thread = await sdk.threads.create()
    seen: list[Any] = []
    values = await sdk.runs.wait(
        thread["thread_id"], "echo", input={"text": "hi"}, on_run_created=seen.append
    )
    assert values == {"text": "hi", "answer": "hi"}
    [run] = await sdk.runs.list(thread["thread_id"])
    assert run["status"] == "success"
    assert seen == [{"run_id": run["run_id"], "thread_id": thread["thread_id"]}]
    assert await sdk.runs.join(thread["thread_id"], run["run_id"]) == values
    assert (await sdk.runs.get(thread["thread_id"], run["run_id"]))["assistant_id"] == "echo"


async def test_each_of_two_queued_runs_returns_its_own_state(sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    found: list[Any] = await asyncio.gather(
        *(sdk.runs.wait(thread, "echo", input={"text": text}) for text in "abc")
    )
    assert [values["answer"] for values in found] == ["a", "b", "c"]


async def test_a_failed_run_raises_in_the_client_with_its_sentence(sdk: LangGraphClient) -> None:
    with pytest.raises(Exception, match="model_error: No model answered"):
        await sdk.runs.wait(None, "fail", input={"text": "hi"})


async def test_an_unknown_assistant_is_404_with_a_suggestion(sdk: LangGraphClient) -> None:
    with pytest.raises(NotFoundError, match="did you mean echo"):
        await sdk.runs.create(None, "ecko", input={"text": "hi"})


async def test_a_wrong_input_is_422_and_leaves_nothing_behind(sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    with pytest.raises(UnprocessableEntityError, match="needs the text"):
        await sdk.runs.create(thread, "echo", input={"text": 5})
    assert await sdk.runs.list(thread) == []


async def test_an_unknown_thread_is_404_unless_it_may_be_created(sdk: LangGraphClient) -> None:
    with pytest.raises(NotFoundError):
        await sdk.runs.create("nowhere", "echo", input={"text": "hi"})
    run = await sdk.runs.create("nowhere", "echo", input={"text": "hi"}, if_not_exists="create")
    assert run["thread_id"] == "nowhere"


async def test_a_busy_thread_rejects_or_queues(hub: Any, sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    await sdk.runs.create(thread, "wait", input={"text": "a"})
    with pytest.raises(ConflictError):
        await sdk.runs.create(thread, "echo", input={"text": "b"}, multitask_strategy="reject")
    queued = await sdk.runs.create(thread, "echo", input={"text": "c"}, multitask_strategy="enqueue")
    assert queued["status"] == "pending"
    hub.engine.worker.release.set()
    assert (await sdk.runs.join(thread, queued["run_id"]))["answer"] == "c"


async def test_the_same_idempotency_key_gives_the_same_run_and_its_whole_stream(hub: Any) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await hub.ask("POST", "/runs", ECHO, headers=headers)
    assert (await hub.ask("POST", "/runs", ECHO, headers=headers))[1]["run_id"] == first[1]["run_id"]
    async with hub.client.post("/runs/stream", json=ECHO, headers=headers) as answer:
        text = await answer.text()
    assert text.count("event: end") == 1
    assert (await hub.ask("POST", "/runs/wait", ECHO, headers=headers))[1]["answer"] == "one two"
    other = {**ECHO, "input": {"text": "other"}}
    assert (await hub.ask("POST", "/runs", other, headers=headers))[0] == 409


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", {"resume": 1}),
        ("command", {}),
        ("command", {"resme": 1}),
        ("context", {"a": 1}),
        ("webhook", "https://example.org"),
        ("after_seconds", -5),
        ("interrupt_before", ["answr"]),
        ("interrupt_after", "nowhere"),
        ("multitask_strategy", "replace"),
        ("checkpoint", {"checkpoint_ns": "inner:1", "checkpoint_id": "c0"}),
        ("config", {"recursion_limit": 101}),
        ("config", {"recursion_limit": "3"}),
        ("config", {"run_name": "x"}),
        ("config", {"configurable": {"model": "x"}}),
        ("stream_mode", ["values", "debug"]),
        ("stream_mode", "valeus"),
        ("feedback_keys", ["stars"]),
        ("input", [1]),
        ("streem_mode", "values"),
    ],
)
async def test_what_this_hub_cannot_do_is_refused_never_ignored(hub: Any, field: str, value: Any) -> None:
    given = {**ECHO, "input": None, field: value} if field == "command" else {**ECHO, field: value}
    status, answer = await hub.ask("POST", "/runs/stream", given)
    assert status == (409 if value == {"resume": 1} else 422)
    assert answer["detail"].endswith((".", "?"))


# --------------------------------------------------------------------------- streams


async def test_a_stream_begins_with_metadata_and_ends_with_end(sdk: LangGraphClient) -> None:
    found = await parts(sdk.runs.stream(None, "echo", input={"text": "one two"}, stream_mode="values"))
    assert found[0][0] == "metadata"
    run = found[0][1]["run_id"]
    assert found[1:] == [
        ("values", {"text": "one two"}),
        ("values", {"text": "one two", "answer": "one two"}),
        ("end", {"run_id": run, "status": "success"}),
    ]


async def test_each_mode_says_what_langgraph_says(sdk: LangGraphClient) -> None:
    modes: Any = ["updates", "messages-tuple", "custom"]
    found = await parts(sdk.runs.stream(None, "echo", input={"text": "one two"}, stream_mode=modes))
    assert [name for name, _ in found] == ["metadata", *["messages"] * 3, "custom", "updates", "end"]
    chunks = [data for name, data in found if name == "messages"]
    assert "".join(chunk["content"] for chunk, _ in chunks) == "one two "
    assert {chunk["type"] for chunk, _ in chunks} == {"AIMessageChunk"}
    assert {about["langgraph_node"] for _, about in chunks} == {"answer"}
    assert chunks[-1][0]["usage_metadata"]["total_tokens"] == 3
    assert found[4][1] == {"name": "noticed", "payload": {"words": 1}}
    assert found[5][1] == {"answer": {"answer": "one two"}}


async def test_messages_come_as_metadata_partial_and_complete(sdk: LangGraphClient) -> None:
    found = await parts(sdk.runs.stream(None, "echo", input={"text": "one two"}, stream_mode="messages"))
    names = [name for name, _ in found]
    assert names[1] == "messages/metadata"
    assert names[-2:] == ["messages/complete", "end"]
    assert set(names[2:-2]) == {"messages/partial"}
    assert found[-3][1][0]["content"] == "one two "
    assert found[-2][1][0]["usage_metadata"]["output_tokens"] == 2


async def test_the_mode_events_tells_chains_and_models(sdk: LangGraphClient) -> None:
    found = await parts(sdk.runs.stream(None, "echo", input={"text": "one"}, stream_mode="events"))
    told = [data["event"] for name, data in found if name == "events"]
    assert told[0] == "on_chain_start"
    assert told[-1] == "on_chain_end"
    assert {"on_chat_model_start", "on_chat_model_stream", "on_chat_model_end", "on_custom_event"} <= set(
        told
    )


async def test_the_mode_lifecycle_tells_where_a_run_begins_and_ends(sdk: LangGraphClient) -> None:
    stream: Any = sdk.runs.stream(None, "echo", input={"text": "one"}, stream_mode=cast("Any", ["lifecycle"]))
    told = [data["event"] for name, data in await parts(stream) if name == "lifecycle"]
    assert told == ["started", "running", "completed"]


async def test_the_second_version_of_the_sdk_streams_too(sdk: LangGraphClient) -> None:
    stream = sdk.runs.stream(
        None, "echo", input={"text": "one"}, stream_mode=["values", "updates"], version="v2"
    )
    found = [part async for part in stream]
    assert [part["type"] for part in found] == ["metadata", "values", "updates", "values"]


async def test_a_failed_run_ends_its_stream_with_error(sdk: LangGraphClient) -> None:
    found = await parts(sdk.runs.stream(None, "fail", input={"text": "hi"}))
    assert found[-1] == ("error", {"error": "model_error", "message": "No model answered; try later."})


async def test_ids_are_unique_and_ordered_and_the_headers_name_the_run(hub: Any) -> None:
    modes = ["values", "messages-tuple", "messages", "updates", "custom", "events"]
    async with hub.client.post("/runs/stream", json={**ECHO, "stream_mode": modes}) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        where = answer.headers["Content-Location"]
        assert answer.headers["Location"].startswith(f"{where}/stream?stream_mode=")
        ids = [line[4:] for line in (await answer.text()).splitlines() if line.startswith("id: ")]
    places = [tuple(map(int, id.split("-"))) for id in ids]
    assert len(places) > 10
    assert places == sorted(set(places))
    assert (await hub.ask("GET", where))[1]["status"] == "success"


async def test_a_stream_resumed_at_any_id_goes_on_behind_it(hub: Any) -> None:
    modes = ["values", "messages-tuple", "updates", "custom"]
    async with hub.client.post("/runs/stream", json={**ECHO, "stream_mode": modes}) as answer:
        where, whole = answer.headers["Location"], (await answer.text()).split("\n\n")[:-1]
    for seen in range(1, len(whole)):
        last = whole[seen - 1].splitlines()[0].removeprefix("id: ")
        async with hub.client.get(where, headers={"Last-Event-ID": last}) as answer:
            assert (await answer.text()).split("\n\n")[:-1] == whole[seen:]


async def test_who_joins_a_run_without_a_wish_is_sent_what_it_was_created_with(hub: Any) -> None:
    modes = ["updates", "messages-tuple"]
    _, run = await hub.ask("POST", "/runs", {**ECHO, "stream_mode": modes})
    where = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
    await hub.ask("GET", f"{where}/join")
    async with hub.client.get(f"{where}/stream") as answer:
        names = {line[7:] for line in (await answer.text()).splitlines() if line.startswith("event: ")}
    assert names == {"metadata", "updates", "messages", "end"}


async def test_a_finished_run_is_replayed_from_the_log_with_its_whole_text(
    hub: Any, sdk: LangGraphClient
) -> None:
    run = await sdk.runs.create(None, "echo", input={"text": "one two"})
    await sdk.runs.join(run["thread_id"], run["run_id"])
    hub.engine.threads._channels.drop(run["thread_id"])  # the buffer is gone, as after a restart
    modes: Any = ["values", "messages-tuple"]
    found = await parts(sdk.runs.join_stream(run["thread_id"], run["run_id"], stream_mode=modes))
    assert [name for name, _ in found] == ["metadata", "messages", "messages", "values", "end"]
    (gone, _), (whole, _) = found[1][1], found[2][1]
    # Who has its beginning already would otherwise add the whole to it.
    assert (gone["type"], gone["id"]) == ("remove", whole["id"])
    assert (whole["type"], whole["content"]) == ("ai", "one two ")
    assert found[3][1] == {"text": "one two", "answer": "one two"}


async def test_lists_in_a_query_may_be_repeated_or_one_json_text(hub: Any) -> None:
    _, run = await hub.ask("POST", "/runs", ECHO)
    where = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
    await hub.ask("GET", f"{where}/join")
    texts = []
    for query in ("stream_mode=values&stream_mode=updates", 'stream_mode=["values","updates"]'):
        async with hub.client.get(f"{where}/stream?{query}") as answer:
            texts.append(await answer.text())
    assert texts[0] == texts[1]
    assert "event: updates" in texts[0]
    status, answer = await hub.ask("GET", f"{where}/stream?stream_mode=[values")
    assert (status, answer["detail"][:35]) == (422, "There is no stream mode [values; ch")


@pytest.mark.parametrize("last", ["nonsense", "999999-0", "1-", "-5"])
async def test_a_last_event_id_of_nothing_is_refused(hub: Any, sdk: LangGraphClient, last: str) -> None:
    run = await sdk.runs.create(None, "echo", input={"text": "one"})
    await sdk.runs.join(run["thread_id"], run["run_id"])
    where = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
    status, answer = await hub.ask("GET", where, headers={"Last-Event-ID": last})
    assert status == 422
    assert "Last-Event-ID" in answer["detail"]


async def test_a_last_event_id_of_another_run_is_refused(hub: Any, sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    first, second = [await sdk.runs.create(thread, "echo", input={"text": "one"}) for _ in range(2)]
    await sdk.runs.join(thread, second["run_id"])
    last = [part.id async for part in sdk.runs.join_stream(thread, second["run_id"])][1]
    status, _ = await hub.ask(
        "GET", f"/threads/{thread}/runs/{first['run_id']}/stream", headers={"Last-Event-ID": last or ""}
    )
    assert status == 422


async def test_several_viewers_of_one_run_see_the_same(hub: Any, sdk: LangGraphClient) -> None:
    run = await sdk.runs.create(None, "wait", input={"text": "a b c"})
    viewers = [
        asyncio.create_task(
            parts(sdk.runs.join_stream(run["thread_id"], run["run_id"], stream_mode="values"))
        )
        for _ in range(5)
    ]
    await asyncio.sleep(0.05)
    hub.engine.worker.release.set()
    first, *others = await asyncio.gather(*viewers)
    assert first[-1][0] == "end"
    assert all(other == first for other in others)


async def test_a_viewer_that_was_not_there_from_the_start_sees_all_of_it(
    hub: Any, sdk: LangGraphClient
) -> None:
    run = await sdk.runs.create(None, "echo", input={"text": "one two"})
    await sdk.runs.join(run["thread_id"], run["run_id"])
    found = await parts(sdk.runs.join_stream(run["thread_id"], run["run_id"], stream_mode="messages-tuple"))
    assert "".join(data[0]["content"] for name, data in found if name == "messages") == "one two "


# --------------------------------------------------------------------------- leave and cancel


async def test_a_client_that_leaves_does_not_stop_the_run(hub: Any, sdk: LangGraphClient) -> None:
    run = await left_behind(hub, {"assistant_id": "wait", "input": {"text": "a"}})
    assert (await sdk.runs.get(run["thread_id"], run["run_id"]))["status"] == "running"
    hub.engine.worker.release.set()
    assert (await sdk.runs.join(run["thread_id"], run["run_id"]))["answer"] == "a"


@pytest.mark.parametrize("way", ["stream", "wait"])
async def test_a_client_that_leaves_stops_the_run_if_it_asked_for_that(
    hub: Any, sdk: LangGraphClient, way: str
) -> None:
    body = {"assistant_id": "wait", "input": {"text": "a"}, "on_disconnect": "cancel"}
    run = await left_behind(hub, body, way)
    await sdk.runs.join(run["thread_id"], run["run_id"])
    assert (await sdk.runs.get(run["thread_id"], run["run_id"]))["status"] == "interrupted"


async def left_behind(hub: Any, body: Any, way: str = "stream") -> Any:
    """Start a run and go away as soon as it is known."""
    async with (
        httpx.AsyncClient(base_url=hub.url) as client,
        client.stream("POST", f"/runs/{way}", json=body) as answer,
    ):
        _, _, thread, _, run = answer.headers["Content-Location"].split("/")
    return {"thread_id": thread, "run_id": run}


async def test_a_cancelled_run_is_interrupted_to_the_sdk_and_its_stream_ends(
    hub: Any, sdk: LangGraphClient
) -> None:
    run = await sdk.runs.create(None, "wait", input={"text": "a"})
    where = run["thread_id"], run["run_id"]
    watching = asyncio.create_task(parts(sdk.runs.join_stream(*where)))
    await sdk.runs.cancel(*where, wait=True)
    assert (await sdk.runs.get(*where))["status"] == "interrupted"
    assert (await watching)[-1] == ("end", {"run_id": run["run_id"], "status": "interrupted"})


async def test_runs_are_listed_newest_first_by_page_and_status(sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    made = [(await sdk.runs.create(thread, "echo", input={"text": str(n)}))["run_id"] for n in range(5)]
    await sdk.runs.join(thread, made[-1])
    assert [run["run_id"] for run in await sdk.runs.list(thread, limit=2, offset=1)] == [made[3], made[2]]
    assert len(await sdk.runs.list(thread, status="success")) == 5
    assert await sdk.runs.list(thread, status="error") == []
    selected: list[Any] = await sdk.runs.list(thread, limit=1, select=["run_id"])
    assert selected == [{"run_id": made[4]}]


async def test_a_run_is_not_found_on_another_thread(sdk: LangGraphClient) -> None:
    run = await sdk.runs.create(None, "echo", input={"text": "a"})
    other = (await sdk.threads.create())["thread_id"]
    with pytest.raises(NotFoundError):
        await sdk.runs.get(other, run["run_id"])


async def test_a_stream_ends_without_an_end_when_the_hub_stops_so_that_the_client_comes_back(
    hub: Any,
) -> None:
    body = {"assistant_id": "wait", "input": {"text": "a"}}
    async with hub.client.post("/runs/stream", json=body) as answer:
        await answer.content.readuntil(b"\n\n")
        hub.engine.settings = hub.engine.settings.model_copy(
            update={"hub": hub.engine.settings.hub.model_copy(update={"drain": 0.1})}
        )
        await hub.server.stop()
        rest = await answer.content.read()
    assert b"event: end" not in rest
    assert b"event: error" not in rest


def test_parts_are_json_that_the_sdk_reads() -> None:
    from hub.routes.stream_modes import encode

    frame = encode("1-0", "values", {"line": "a\nb"})
    assert frame == b'id: 1-0\nevent: values\ndata: {"line":"a\\nb"}\n\n'
    assert orjson.loads(frame.split(b"data: ")[1])
