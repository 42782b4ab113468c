"""`/threads`."""

from __future__ import annotations

from typing import Any

import pytest


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


async def test_searching_by_status_finds_the_busy_thread(hub: Any) -> None:
    await hub.ask(
        "POST", "/threads/t/runs", {"assistant_id": "wait", "input": {"text": "a"}, "if_not_exists": "create"}
    )
    assert (await hub.ask("POST", "/threads/search", {"status": "busy", "select": ["thread_id", "status"]}))[
        1
    ] == [{"thread_id": "t", "status": "busy"}]
    hub.engine.worker.release.set()


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("", {"ttl": 0}, "minutes"),
        ("", {"ttl": {"ttl": 5, "strategy": "archive"}}, "strategy"),
        ("", {"supersteps": [{}]}, "updates"),
        ("", {"metadata": [1]}, "metadata"),
        ("/search", {"limit": 100_000}, "limit"),
        ("/search", {"sort_by": "mood"}, "sort_by"),
        ("/search", {"select": ["nonsense"]}, "nonsense"),
        ("/search", {"extract": {"a": "values..b"}}, "no path"),
        ("/search", {"extract": {"a": "tenant"}}, "nowhere"),
        ("/search", {"extract": {str(number): "values" for number in range(11)}}, "10"),
        ("/search", {"metadata": {str(number): 1 for number in range(201)}}, "200"),
        ("/count", {"limit": 5}, "limit"),
        ("/prune", {"thread_ids": ["t"], "strategy": "burn"}, "strategy"),
        ("/t/history", {"limit": 0}, "limit"),
        ("/t/state", {"values": {"a": 1}, "as_node": "__copy__"}, "as it is"),
        ("/t/state/checkpoint", {"checkpoint": {"checkpoint_id": 7}}, "text"),
        ("/t/state/checkpoint", {"checkpoint": {"checkpoint_map": {"": 7}}}, "checkpoint_map"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_sentence(
    hub: Any, path: str, body: Any, sentence: str
) -> None:
    await hub.ask("POST", "/threads", {"thread_id": "t"})
    status, answer = await hub.ask("POST", f"/threads{path}", body)
    assert status == 422
    assert sentence in answer["detail"]
    assert answer["detail"].endswith(".")
