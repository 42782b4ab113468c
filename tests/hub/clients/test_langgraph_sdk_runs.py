"""Runs that wait, are replaced, undone and started later, through the official SDK on a real engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

APPROVE: dict[str, Any] = {"assistant_id": "approve", "input": {"topic": "piers"}}


@pytest.fixture
async def sdk(real: Any) -> AsyncIterator[Any]:
    """The official client."""
    async with get_client(url=real.url, api_key=None) as client:
        yield client


async def parts(stream: AsyncIterator[Any]) -> list[tuple[str, Any]]:
    """Collect a stream, but for its first part."""
    return [(part.event, part.data) async for part in stream][1:]


async def new(sdk: Any) -> str:
    """Return a new thread."""
    return str((await sdk.threads.create())["thread_id"])


async def gate(real: Any, sdk: Any, thread: str, name: str, **more: Any) -> Any:
    """Start a run that waits at a gate, and return when it does."""
    run = await sdk.runs.create(thread, "gate", input={"file": name}, **more)
    await real.world.until(lambda: f"before {name}" in real.world.ledger)
    return run


# --------------------------------------------------------------------------- waiting for people


async def test_a_run_that_waits_says_so_in_its_state_and_its_streams(sdk: Any) -> None:
    thread = await new(sdk)
    found = await parts(sdk.runs.stream(thread, **APPROVE, stream_mode=["values", "updates"]))
    [asked] = found[-3][1]["__interrupt__"]
    assert asked["value"]["show"] == {"said": "draft piers"}
    assert asked["id"]
    assert [name for name, _ in found[-3:]] == ["updates", "values", "end"]
    assert found[-2][1] == {
        "topic": "piers",
        "said": "draft piers",
        "decision": None,
        "__interrupt__": [asked],
    }
    assert found[-1][1]["status"] == "interrupted"
    [run] = await sdk.runs.list(thread, status="interrupted")
    assert (await sdk.runs.join(thread, run["run_id"]))["__interrupt__"] == [asked]
    replayed = await parts(sdk.runs.join_stream(thread, run["run_id"], stream_mode=["values", "updates"]))
    assert replayed[-3:] == found[-3:]


async def test_the_sdks_own_view_of_an_interrupt(sdk: Any) -> None:
    stream = sdk.runs.stream(await new(sdk), **APPROVE, stream_mode="values", version="v2")
    last = [part async for part in stream][-1]
    assert last["interrupts"][0]["value"]["choices"] == ["publish", "change", "reject"]
    assert "__interrupt__" not in last["data"]


async def test_a_command_answers(sdk: Any, real: Any) -> None:
    thread = await new(sdk)
    await sdk.runs.wait(thread, **APPROVE)
    resume = {"resume": {"choice": "publish", "note": "fine"}}
    values = await sdk.runs.wait(thread, "approve", command=resume)
    assert values["said"] == "publish fine"
    assert (await sdk.threads.get(thread))["status"] == "idle"
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await sdk.runs.wait(thread, "approve", command=resume)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ({"resume": "perhaps"}, UnprocessableEntityError),
        ({"resume": {"nonsense": "publish"}}, UnprocessableEntityError),
        ({"goto": "drift"}, UnprocessableEntityError),
        ({"update": {"sad": "x"}}, UnprocessableEntityError),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(
    sdk: Any, command: Any, error: type[Exception]
) -> None:
    thread = await new(sdk)
    await sdk.runs.wait(thread, **APPROVE)
    with pytest.raises(error):
        await sdk.runs.create(thread, "approve", command=command)
    assert (await sdk.threads.get(thread))["status"] == "interrupted"
    assert (await sdk.runs.wait(thread, "approve", command={"resume": "reject"}))["decision"][
        "choice"
    ] == "reject"


async def test_a_command_updates_and_goes_elsewhere(sdk: Any) -> None:
    thread = await new(sdk)
    await sdk.runs.wait(thread, **APPROVE)
    command = {"update": {"decision": {"choice": "publish", "note": "now"}}, "goto": "publish"}
    assert (await sdk.runs.wait(thread, "approve", command=command))["said"] == "publish now"


async def test_a_run_stops_before_and_after_steps(sdk: Any, real: Any) -> None:
    thread = await new(sdk)
    stopped = await sdk.runs.wait(thread, **APPROVE, interrupt_before=["draft"])
    assert (stopped, real.world.ledger) == ({"topic": "piers", "said": None, "decision": None}, [])
    assert (await sdk.threads.get_state(thread))["next"] == ["draft"]
    assert (await sdk.threads.get(thread))["status"] == "interrupted"
    found = await parts(sdk.runs.stream(thread, "approve", interrupt_after="*", stream_mode="updates"))
    assert found[-2] == ("updates", {"__interrupt__": []})
    assert real.world.ledger == ["draft piers"]
    assert "__interrupt__" in await sdk.runs.wait(thread, "approve")


async def test_a_run_begins_from_an_older_checkpoint(sdk: Any, real: Any) -> None:
    thread = await new(sdk)
    await sdk.runs.wait(thread, **APPROVE)
    drafting = (await sdk.threads.get_history(thread))[1]["checkpoint"]
    for asked in (
        {"checkpoint": drafting},
        {"checkpoint_id": drafting["checkpoint_id"]},
        {"config": {"configurable": {"checkpoint_id": drafting["checkpoint_id"], "thread_id": thread}}},
    ):
        await sdk.runs.wait(thread, "approve", **asked)
    assert real.world.ledger == ["draft piers"] * 4
    with pytest.raises(NotFoundError, match="no checkpoint"):
        await sdk.runs.create(thread, "approve", checkpoint_id="nonsense")


async def test_a_run_of_one_request_that_waits_answers_202_and_is_answered_through_its_thread(
    real: Any, sdk: Any
) -> None:
    async with real.client.post("/graphs/approve", json={"topic": "piers"}) as answer:
        assert answer.status == 202
        [asked] = (await answer.json())["waiting"]
        thread = answer.headers["Hubbub-Thread"]
    assert asked["value"]["step"] == "ask"
    assert (await sdk.runs.wait(thread, "approve", command={"resume": "reject"}))["decision"][
        "choice"
    ] == "reject"
    streamed = {"Accept": "text/event-stream"}
    async with real.client.post("/graphs/approve", json={"topic": "piers"}, headers=streamed) as answer:
        assert "event: waiting" in await answer.text()


async def test_a_stream_of_a_run_that_has_gone_on_shows_all_of_it(real: Any, sdk: Any) -> None:
    """A native answer lets the same run go on: its replay does not stop where it waited."""
    from runtime.runs.answers import Answer

    thread = await new(sdk)
    run = await sdk.runs.create(thread, **APPROVE)
    await sdk.runs.join(thread, run["run_id"])
    id = (await real.world.engine.runs.get("default", run["run_id"])).waiting[0].id
    await real.world.engine.runs.respond("default", thread, Answer({id: "reject"}))
    await sdk.runs.join(thread, run["run_id"])
    found = await parts(sdk.runs.join_stream(thread, run["run_id"], stream_mode="updates"))
    assert [data for _, data in found[:-1]] == [
        {"draft": {"said": "draft piers"}},
        {"__interrupt__": found[1][1]["__interrupt__"]},
        {"ask": {"decision": {"choice": "reject", "note": ""}}},
    ]
    assert found[-1][1]["status"] == "success"


# --------------------------------------------------------------------------- busy threads


async def test_interrupt_takes_the_place_and_keeps_what_was_done(real: Any, sdk: Any) -> None:
    thread = await new(sdk)
    first = await gate(real, sdk, thread, "a")
    real.world.open_gate("b")
    await sdk.runs.wait(thread, "gate", input={"file": "b"}, multitask_strategy="interrupt")
    assert (await sdk.runs.get(thread, first["run_id"]))["status"] == "interrupted"
    assert len(await sdk.threads.get_history(thread, metadata={"run_id": first["run_id"]})) > 0


async def test_rollback_takes_the_place_and_undoes_what_was_done(real: Any, sdk: Any) -> None:
    thread = await new(sdk)
    first = await gate(real, sdk, thread, "a")
    real.world.open_gate("b")
    await sdk.runs.wait(thread, "gate", input={"file": "b"}, multitask_strategy="rollback")
    with pytest.raises(NotFoundError):
        await sdk.runs.get(thread, first["run_id"])
    assert await sdk.threads.get_history(thread, metadata={"run_id": first["run_id"]}) == []


async def test_a_cancel_may_undo(real: Any, sdk: Any) -> None:
    thread = await new(sdk)
    run = await gate(real, sdk, thread, "a")
    await sdk.runs.cancel(thread, run["run_id"], wait=True, action="rollback")
    with pytest.raises(NotFoundError):
        await sdk.runs.get(thread, run["run_id"])
    assert (await sdk.threads.get_state(thread))["values"] == {}


async def test_many_runs_are_cancelled_at_once(real: Any, sdk: Any) -> None:
    one, two = await new(sdk), await new(sdk)
    running, other = await gate(real, sdk, one, "a"), await gate(real, sdk, two, "b")
    pending = await sdk.runs.create(one, "gate", input={"file": "c"})
    await sdk.runs.cancel_many(status="pending")
    assert [run["status"] for run in await sdk.runs.list(one)] == ["interrupted", "running"]
    await sdk.runs.cancel_many(thread_id=one, run_ids=[running["run_id"]])
    assert [run["status"] for run in await sdk.runs.list(one)] == ["interrupted", "interrupted"]
    assert pending["status"] == "pending"
    await sdk.runs.cancel_many(status="all")
    assert (await sdk.runs.get(two, other["run_id"]))["status"] == "interrupted"
    with pytest.raises(NotFoundError):
        await sdk.runs.cancel_many(status="all")
    with pytest.raises(UnprocessableEntityError):
        await sdk.runs.cancel_many(thread_id=one)
    with pytest.raises(NotFoundError):
        await sdk.runs.cancel_many(thread_id=two, run_ids=[running["run_id"]])


# --------------------------------------------------------------------------- the others


async def test_a_run_is_started_later(real: Any, sdk: Any) -> None:
    real.world.open_gate("a")
    began = time.time()
    await sdk.runs.wait(None, "gate", input={"file": "a"}, after_seconds=0.2)
    assert time.time() >= began + 0.2


async def test_runs_are_started_in_a_batch_and_deleted(real: Any, sdk: Any) -> None:
    thread = await new(sdk)
    real.world.open_gate("a")
    payloads = [
        {"assistant_id": "gate", "input": {"file": "a"}, "thread_id": thread},
        {"assistant_id": "gate", "input": {"file": "a"}},
    ]
    headers = {"Idempotency-Key": "batch"}
    first, second = await sdk.runs.create_batch(payloads, headers=headers)
    again = await sdk.runs.create_batch(payloads, headers=headers)
    assert [run["run_id"] for run in again] == [first["run_id"], second["run_id"]]
    assert (first["thread_id"], second["thread_id"] != thread) == (thread, True)
    await sdk.runs.join(thread, first["run_id"])
    await sdk.runs.delete(thread, first["run_id"])
    assert await sdk.runs.list(thread) == []
    with pytest.raises(UnprocessableEntityError, match="assistant_id"):
        await sdk.runs.create_batch([{"input": {}}])


async def test_an_active_run_is_not_deleted(real: Any, sdk: Any) -> None:
    thread = await new(sdk)
    run = await gate(real, sdk, thread, "a")
    with pytest.raises(ConflictError, match="active"):
        await sdk.runs.delete(thread, run["run_id"])
    real.world.open_gate("a")


async def test_a_stateless_run_takes_its_thread_with_it_unless_told_to_keep_it(real: Any, sdk: Any) -> None:
    real.world.open_gate("a")
    gone = await sdk.runs.create(None, "gate", input={"file": "a"})
    kept = await sdk.runs.create(None, "gate", input={"file": "a"}, on_completion="keep")
    for run in (gone, kept):
        await sdk.runs.join(run["thread_id"], run["run_id"])
    expiring = await sdk.threads.get(gone["thread_id"], include=["ttl"])
    assert (await sdk.threads.get(kept["thread_id"], include=["ttl"]))["ttl"] is None
    stored = await real.world.engine.journal.thread(gone["thread_id"])
    assert stored.expires_at > time.time()
    assert expiring["status"] == "idle"


async def test_a_stateless_run_that_waits_keeps_its_thread(real: Any, sdk: Any) -> None:
    run = await sdk.runs.create(None, **APPROVE)
    await sdk.runs.join(run["thread_id"], run["run_id"])
    stored = await real.world.engine.journal.thread(run["thread_id"])
    assert stored.expires_at is None


async def test_a_client_that_leaves_may_take_its_run_along(real: Any, sdk: Any) -> None:
    thread = await new(sdk)

    async def watch() -> None:
        stream = sdk.runs.stream(thread, "gate", input={"file": "a"}, on_disconnect="cancel")
        async for _ in stream:
            pass

    watching = asyncio.create_task(watch())
    await real.world.until(lambda: "before a" in real.world.ledger)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    async with asyncio.timeout(20):
        while (await sdk.runs.list(thread))[0]["status"] != "interrupted":
            await asyncio.sleep(0.01)


async def test_a_full_queue_is_429_and_says_when_to_come_again(tmp_path: Any) -> None:
    from runtime.settings import RunsSettings
    from tests.hub.conftest import RealHub

    full = RealHub(tmp_path)
    await full.serve(runs=RunsSettings(concurrency=1, queue=1))
    body = {"assistant_id": "gate", "input": {"file": "a"}}
    for _ in range(2):
        await full.ask("POST", "/runs", body)
    async with full.client.post("/runs", json=body) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
    await full.stop()
