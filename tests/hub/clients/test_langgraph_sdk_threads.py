"""Threads and their states through the official SDK, unchanged, on a real engine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

APPROVE: dict[str, Any] = {"assistant_id": "approve", "input": {"topic": "piers"}}


@pytest.fixture
async def sdk(real: Any) -> AsyncIterator[LangGraphClient]:
    """The official client."""
    async with get_client(url=real.url, api_key=None) as client:
        yield client


async def waiting(sdk: LangGraphClient, **metadata: Any) -> str:
    """Return a thread whose run waits for a person."""
    thread = await sdk.threads.create(metadata=metadata)
    await sdk.runs.wait(thread["thread_id"], **APPROVE)
    return thread["thread_id"]


async def ids(found: Any) -> list[str]:
    """Return the ids of threads."""
    return [thread["thread_id"] for thread in await found]


# --------------------------------------------------------------------------- threads


async def test_threads_are_found_by_what_they_hold_and_do(sdk: LangGraphClient) -> None:
    asked = await waiting(sdk, who="ann", tags=["a", "b"])
    idle = (await sdk.threads.create(metadata={"who": "bob", "deep": {"a": 1, "b": 2}}))["thread_id"]
    search, count = sdk.threads.search, sdk.threads.count
    assert await ids(search(metadata={"who": "ann"})) == [asked]
    assert await ids(search(metadata={"tags": ["b"]})) == [asked]
    assert await ids(search(metadata={"deep": {"a": 1}})) == [idle]
    assert await ids(search(metadata={"graph_id": "approve"})) == [asked]
    assert await ids(search(status="interrupted")) == [asked]
    assert await ids(search(status="idle")) == [idle]
    assert await ids(search(values={"topic": "piers"})) == [asked]
    assert await ids(search(values={"topic": "boats"})) == []
    assert await ids(search(ids=[idle, "unknown"])) == [idle]
    assert await count(metadata={"who": "ann"}) == 1
    assert await count(status="error") == 0
    assert await count(values={"topic": "piers"}) == 1
    assert await count() == 2


async def test_threads_come_in_the_order_that_is_asked_for(sdk: LangGraphClient) -> None:
    first, second, third = [(await sdk.threads.create())["thread_id"] for _ in range(3)]
    await sdk.threads.update(first, metadata={"a": 1})
    assert await ids(sdk.threads.search()) == [first, third, second]
    assert await ids(sdk.threads.search(sort_by="created_at")) == [third, second, first]
    assert await ids(sdk.threads.search(sort_by="created_at", sort_order="asc")) == [first, second, third]
    assert await ids(sdk.threads.search(sort_by="thread_id", sort_order="asc")) == sorted(
        [first, second, third]
    )
    pages = [await ids(sdk.threads.search(sort_by="created_at", limit=2, offset=at)) for at in (0, 2, 4)]
    assert pages == [[third, second], [first], []]
    await sdk.runs.wait(second, **APPROVE)
    assert (await ids(sdk.threads.search(sort_by="state_updated_at")))[0] == second
    assert (await ids(sdk.threads.search(sort_by="status")))[0] == second


async def test_of_threads_that_are_found_the_fields_asked_for_are_shown(sdk: LangGraphClient) -> None:
    thread = await waiting(sdk, who="ann")
    found: Any
    [found] = await sdk.threads.search(
        select=["thread_id", "status"],
        extract={"topic": "values.topic", "none": "values.messages[-1].content", "who": "metadata.who"},
    )
    assert found == {
        "thread_id": thread,
        "status": "interrupted",
        "extracted": {"topic": "piers", "none": None, "who": "ann"},
    }


async def test_a_thread_shows_what_it_waits_for(sdk: LangGraphClient) -> None:
    thread = await sdk.threads.get(await waiting(sdk))
    [[interrupt]] = thread["interrupts"].values()
    assert thread["status"] == "interrupted"
    assert interrupt["value"]["choices"] == ["publish", "change", "reject"]
    assert interrupt["response_schema"]
    assert thread["values"] == {"topic": "piers", "said": "draft piers", "decision": None}


async def test_a_thread_can_have_a_time_to_live(sdk: LangGraphClient) -> None:
    made = await sdk.threads.create(ttl=5)
    thread: Any = await sdk.threads.get(made["thread_id"], include=["ttl"])
    assert thread["ttl"]["strategy"] == "delete"
    assert 4 < thread["ttl"]["ttl"] <= 5
    await sdk.threads.update(made["thread_id"], metadata={}, ttl={"ttl": 60, "strategy": "keep_latest"})
    changed: Any = await sdk.threads.get(made["thread_id"], include=["ttl"])
    assert changed["ttl"]["strategy"] == "keep_latest"
    assert changed["ttl"]["expires_at"] > thread["ttl"]["expires_at"]
    assert "ttl" not in await sdk.threads.get(made["thread_id"])
    stays: Any = await sdk.threads.get((await sdk.threads.create())["thread_id"], include=["ttl"])
    assert stays["ttl"] is None


async def test_changes_at_the_same_time_are_both_kept(sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    changes = [sdk.threads.update(thread, metadata={str(number): number}) for number in range(10)]
    run = sdk.runs.create(thread, **APPROVE)
    await asyncio.gather(*changes, run)
    metadata: Any = (await sdk.threads.get(thread))["metadata"]
    assert metadata == {**{str(n): n for n in range(10)}, "graph_id": "approve", "assistant_id": "approve"}


async def test_threads_are_pruned(sdk: LangGraphClient) -> None:
    kept, gone = await waiting(sdk), await waiting(sdk)
    assert await sdk.threads.prune([kept, "unknown"], strategy="keep_latest") == {"pruned_count": 1}
    [only] = await sdk.threads.get_history(kept)
    assert only["next"] == ["ask"]
    assert await sdk.threads.prune([gone]) == {"pruned_count": 1}
    assert await ids(sdk.threads.search()) == [kept]
    command = {"resume": "reject"}
    assert (await sdk.runs.wait(kept, "approve", command=command))["decision"]["choice"] == "reject"  # type: ignore[call-overload]


async def test_a_busy_thread_is_not_pruned(real: Any, sdk: LangGraphClient) -> None:
    idle = (await sdk.threads.create())["thread_id"]
    busy = (await sdk.threads.create())["thread_id"]
    await sdk.runs.create(busy, "gate", input={"file": "a"})
    with pytest.raises(ConflictError, match="busy"):
        await sdk.threads.prune([idle, busy])
    assert await sdk.threads.count() == 2
    real.world.open_gate("a")


async def test_a_thread_is_copied_with_its_past_and_its_question(sdk: LangGraphClient) -> None:
    thread = await waiting(sdk, who="ann")
    copying: Any = sdk.threads.copy
    copy = await copying(thread)
    assert copy["thread_id"] != thread
    assert copy["metadata"]["who"] == "ann"
    assert copy["status"] == "interrupted"
    assert [state["values"] for state in await sdk.threads.get_history(copy["thread_id"])] == [
        state["values"] for state in await sdk.threads.get_history(thread)
    ]
    with pytest.raises(NotFoundError):
        await sdk.threads.copy("unknown")


async def test_a_thread_is_made_with_a_past(sdk: LangGraphClient) -> None:
    past: Any = [
        {"updates": [{"values": {"topic": "piers"}, "as_node": "__input__"}]},
        {"updates": [{"values": {"said": "drafted elsewhere"}, "as_node": "draft"}]},
    ]
    thread = await sdk.threads.create(graph_id="approve", supersteps=past)
    state = await sdk.threads.get_state(thread["thread_id"])
    assert (state["values"]["said"], state["next"]) == ("drafted elsewhere", ["ask"])  # type: ignore[call-overload]
    with pytest.raises(UnprocessableEntityError, match="graph_id"):
        await sdk.threads.create(supersteps=past)


async def test_another_tenants_threads_look_like_none(real: Any, sdk: LangGraphClient) -> None:
    thread = await real.world.engine.threads.create("another", metadata={"who": "eve"})
    assert await sdk.threads.search() == []
    assert await sdk.threads.search(ids=[thread.id]) == []
    assert await sdk.threads.count(metadata={"who": "eve"}) == 0
    assert await sdk.threads.prune([thread.id]) == {"pruned_count": 0}
    for asking in (
        sdk.threads.get(thread.id),
        sdk.threads.get_state(thread.id),
        sdk.threads.get_history(thread.id),
        sdk.threads.update_state(thread.id, {"topic": "x"}),
        sdk.threads.copy(thread.id),
        sdk.threads.update(thread.id, metadata={}),
        sdk.threads.delete(thread.id),
    ):
        with pytest.raises(NotFoundError):
            await asking


# --------------------------------------------------------------------------- states


async def test_every_state_of_the_history_can_be_read_again(sdk: LangGraphClient) -> None:
    thread = await waiting(sdk)
    history = await sdk.threads.get_history(thread)
    assert [state["next"] for state in history] == [["ask"], ["draft"], ["__start__"]]
    for state in history:
        checkpoint: Any = state["checkpoint"]
        assert (await sdk.threads.get_state(thread, checkpoint=checkpoint))["values"] == state["values"]
        by_id = await sdk.threads.get_state(thread, checkpoint_id=checkpoint["checkpoint_id"])
        assert by_id["next"] == state["next"]
    [task] = history[0]["tasks"]
    assert (task["name"], task["interrupts"]) == ("ask", history[0]["interrupts"])


async def test_the_history_goes_on_before_a_state_and_is_filtered(sdk: LangGraphClient) -> None:
    thread = await waiting(sdk)
    whole = await sdk.threads.get_history(thread)

    async def found(**asked: Any) -> list[Any]:
        return [state["checkpoint"] for state in await sdk.threads.get_history(thread, **asked)]

    places: list[Any] = [state["checkpoint"] for state in whole]
    assert await found(limit=1) == places[:1]
    assert await found(before=places[0]["checkpoint_id"]) == places[1:]
    assert await found(before=places[0]) == places[1:]
    assert await found(before={"configurable": places[0]}) == places[1:]
    assert await found(metadata={"source": "input"}) == places[2:]
    assert await found(checkpoint=places[1]) == places[1:2]
    slim: Any
    [slim] = await sdk.threads.get_history(thread, limit=1, select=["next", "values.topic"])
    assert slim == {"next": ["ask"], "values": {"topic": "piers"}}
    assert await sdk.threads.get_history((await sdk.threads.create())["thread_id"]) == []


async def test_a_state_is_changed_and_gone_on_from(sdk: LangGraphClient) -> None:
    thread = await waiting(sdk)
    changed = await sdk.threads.update_state(thread, {"said": "mended"}, as_node="draft")
    state = await sdk.threads.get_state(thread)
    assert state["checkpoint"] == changed["checkpoint"]
    assert (state["values"]["said"], state["next"]) == ("mended", ["ask"])  # type: ignore[call-overload]
    asked: Any = await sdk.runs.wait(thread, "approve")
    assert asked["__interrupt__"][0]["value"]["show"] == {"said": "mended"}


async def test_a_checkpoint_is_forked(sdk: LangGraphClient) -> None:
    thread = await waiting(sdk)
    older: Any = (await sdk.threads.get_history(thread))[1]
    await sdk.threads.update_state(thread, None, as_node="__copy__", checkpoint=older["checkpoint"])
    assert (await sdk.threads.get_state(thread))["next"] == ["draft"]


async def test_bad_changes_are_refused(real: Any, sdk: LangGraphClient) -> None:
    thread = await waiting(sdk)
    with pytest.raises(UnprocessableEntityError, match="did you mean said"):
        await sdk.threads.update_state(thread, {"sad": "x"}, as_node="draft")
    with pytest.raises(UnprocessableEntityError, match="did you mean draft"):
        await sdk.threads.update_state(thread, {"said": "x"}, as_node="drift")
    with pytest.raises(NotFoundError, match="no checkpoint"):
        await sdk.threads.update_state(thread, {"said": "x"}, checkpoint_id="nonsense")
    with pytest.raises(NotFoundError, match="no checkpoint"):
        await sdk.threads.get_state(thread, checkpoint_id="nonsense")
    inside: Any = {"thread_id": thread, "checkpoint_ns": "draft:1"}
    with pytest.raises(NotFoundError, match="no state in"):
        await sdk.threads.get_state(thread, checkpoint=inside)
    await sdk.runs.create(thread, "gate", input={"file": "a"})
    with pytest.raises(ConflictError, match="busy"):
        await sdk.threads.update_state(thread, {"said": "x"})
    real.world.open_gate("a")


async def test_a_thread_whose_graph_is_gone_is_refused_aloud_and_still_listed(
    real: Any, sdk: LangGraphClient
) -> None:
    thread = await waiting(sdk)
    (real.world.folder / "graphs" / "approve.toml").unlink()
    with sqlite3.connect(real.world.folder / "var" / "hubbub.db") as database:
        database.execute("DELETE FROM graph_texts WHERE graph = 'approve'")
    await real.restart()
    with pytest.raises(NotFoundError, match="cannot be run any more"):
        await sdk.threads.get_state(thread)
    with pytest.raises(NotFoundError, match="cannot be run any more"):
        await sdk.threads.get_history(thread)
    assert (await sdk.threads.get(thread))["values"] is None
    assert await ids(sdk.threads.search()) == [thread]
    assert await ids(sdk.threads.search(values={"topic": "piers"})) == []


async def test_metadata_can_be_patched_where_the_javascript_sdk_does_it(real: Any) -> None:
    await real.ask("POST", "/threads", {"thread_id": "t"})
    status, _ = await real.ask("PATCH", "/threads/t/state", {"metadata": {"a": 1}})
    assert status == 200
    assert (await real.ask("GET", "/threads/t"))[1]["metadata"] == {"a": 1}


async def test_a_scheduled_run_keeps_its_thread_idle_until_its_time(real: Any, sdk: LangGraphClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(thread, "gate", input={"file": "a"}, after_seconds=3600)
    assert (await sdk.threads.get(thread))["status"] == "idle"
    assert run["status"] == "pending"
