"""`/threads`."""

from __future__ import annotations

from typing import Any


async def test_a_thread_is_created_found_changed_and_deleted(hub: Any) -> None:
    status, made = await hub.ask("POST", "/threads", {"metadata": {"who": "ann"}})
    assert status == 200
    assert made["status"] == "idle"
    assert made["metadata"] == {"who": "ann"}
    where = f"/threads/{made['thread_id']}"
    assert (await hub.ask("PATCH", where, {"metadata": {"mood": "good"}}))[1]["metadata"] == {
        "who": "ann",
        "mood": "good",
    }
    assert [
        found["thread_id"]
        for found in (await hub.ask("POST", "/threads/search", {"metadata": {"mood": "good"}}))[1]
    ] == [made["thread_id"]]
    assert (await hub.ask("POST", "/threads/count", {"metadata": {"mood": "bad"}}))[1] == 0
    assert (await hub.ask("DELETE", where))[0] == 204
    status, answer = await hub.ask("GET", where)
    assert status == 404
    assert "no thread" in answer["detail"]


async def test_an_id_that_is_taken_is_a_conflict_unless_told_to_do_nothing(hub: Any) -> None:
    assert (await hub.ask("POST", "/threads", {"thread_id": "mine"}))[0] == 200
    assert (await hub.ask("POST", "/threads", {"thread_id": "mine"}))[0] == 409
    status, same = await hub.ask("POST", "/threads", {"thread_id": "mine", "if_exists": "do_nothing"})
    assert (status, same["thread_id"]) == (200, "mine")


async def test_the_state_is_that_of_the_last_run(hub: Any) -> None:
    await hub.ask(
        "POST",
        "/threads/t/runs/wait",
        {"assistant_id": "echo", "input": {"text": "hi"}, "if_not_exists": "create"},
    )
    status, state = await hub.ask("GET", "/threads/t/state?subgraphs=false")
    assert status == 200
    assert state["values"] == {"text": "hi", "answer": "hi"}
    assert state["next"] == []
    assert state["checkpoint"]["checkpoint_id"] == "c1"
    assert (await hub.ask("GET", "/threads/t/state/c1"))[1]["values"] == state["values"]
    body = {"checkpoint": {"checkpoint_id": "c1", "thread_id": "t", "checkpoint_ns": ""}, "subgraphs": False}
    assert (await hub.ask("POST", "/threads/t/state/checkpoint", body))[1]["values"] == state["values"]
    assert (await hub.ask("GET", "/threads/t/state?select=values.answer"))[1] == {"values": {"answer": "hi"}}
    assert (await hub.ask("GET", "/threads/t"))[1]["values"] == state["values"]


async def test_a_checkpoint_that_cannot_be_read_is_refused(hub: Any) -> None:
    await hub.ask("POST", "/threads", {"thread_id": "t"})
    status, answer = await hub.ask("GET", "/threads/t/state/other")
    assert status == 422
    assert "newest" in answer["detail"]


async def test_searching_by_status_finds_the_busy_thread(hub: Any) -> None:
    await hub.ask(
        "POST", "/threads/t/runs", {"assistant_id": "wait", "input": {"text": "a"}, "if_not_exists": "create"}
    )
    assert (await hub.ask("POST", "/threads/search", {"status": "busy", "select": ["thread_id", "status"]}))[
        1
    ] == [{"thread_id": "t", "status": "busy"}]
    hub.engine.worker.release.set()


async def test_what_this_hub_cannot_do_is_refused_with_a_sentence(hub: Any) -> None:
    for path, body in (
        ("/threads", {"ttl": 5}),
        ("/threads", {"supersteps": [{}]}),
        ("/threads/search", {"values": {"a": 1}}),
        ("/threads/search", {"limit": 100_000}),
        ("/threads/search", {"sort_by": "created_at"}),
        ("/threads/search", {"select": ["nonsense"]}),
    ):
        await hub.ask("POST", "/threads", {"thread_id": "t", "if_exists": "do_nothing"})
        status, answer = await hub.ask("POST", path, body)
        assert status == 422, (path, body, answer)
        assert answer["detail"].endswith(".")
