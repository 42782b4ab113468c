"""`/batches` takes the rows of any program, and gives what became of them as JSON Lines."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from tests.hub.conftest import RealHub

COUNT = """
graph  = "count"
start  = "say"
output = ["said"]

[input]
word = "text"

[state]
said = "text?"

[node.say]
use  = "step.note"
text = "{{ word }}"
next = "end"
"""


async def counting(real: RealHub) -> None:
    real.world.write(count=COUNT)
    await real.world.engine.graphs.edited({"count"})


async def lines(real: RealHub, path: str) -> list[Any]:
    async with real.client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/x-ndjson"
        return [orjson.loads(line) for line in (await answer.text()).splitlines() if line]


async def over(real: RealHub, id: str) -> Any:
    async with asyncio.timeout(30):
        while (found := (await real.ask("GET", f"/batches/{id}"))[1])["status"] == "running":
            await asyncio.sleep(0.01)
    return found


async def test_rows_are_sent_and_read_again_with_their_results(real: RealHub) -> None:
    await counting(real)
    rows = [{"word": "a"}, {"word": 3}, {"word": "c"}]
    status, made = await real.ask("POST", "/batches", {"graph": "count", "rows": rows})
    assert (status, made["rows"], made["graph"]) == (201, 3, "count")
    followed = await lines(real, f"/batches/{made['id']}/results?follow=true")
    assert [row["row"] for row in followed] == [1, 2, 3]
    assert [row["input"] for row in followed] == rows
    assert followed[0] == {"row": 1, "input": {"word": "a"}, "output": {"said": "a"}, "cost_usd": 0.0}
    assert followed[1]["error"]["code"] == "invalid_argument"
    assert "word" in followed[1]["error"]["message"]
    found = await over(real, made["id"])
    assert (found["status"], found["done"], found["failed"], found["pending"]) == ("done", 2, 1, 0)
    assert await lines(real, f"/batches/{made['id']}/results") == followed
    assert await lines(real, f"/batches/{made['id']}/results?after=1&limit=1") == followed[1:2]
    assert [each["id"] for each in (await real.ask("GET", "/batches"))[1]] == [made["id"]]
    assert (await real.ask("DELETE", f"/batches/{made['id']}"))[0] == 204
    assert (await real.ask("GET", f"/batches/{made['id']}"))[0] == 404


async def test_the_same_key_gives_the_same_batch_and_refuses_another(real: RealHub) -> None:
    await counting(real)
    body = {"graph": "count", "rows": [{"word": "a"}]}
    key = {"headers": {"Idempotency-Key": "k"}}
    first = (await real.ask("POST", "/batches", body, **key))[1]
    assert (await real.ask("POST", "/batches", body, **key))[1]["id"] == first["id"]
    status, refused = await real.ask("POST", "/batches", {**body, "rows": [{"word": "b"}]}, **key)
    assert (status, refused["code"]) == (409, "conflict")
    await over(real, first["id"])
    assert real.world.ledger == ["a"]


async def test_a_request_that_is_sent_twice_at_once_makes_one_batch(real: RealHub) -> None:
    await counting(real)
    rows = [{"word": f"w{number}"} for number in range(9)]
    body = {"graph": "count", "rows": rows}
    key = {"headers": {"Idempotency-Key": "k"}}
    answers = await asyncio.gather(*(real.ask("POST", "/batches", body, **key) for _ in range(4)))
    assert {status for status, _ in answers} == {201}
    assert len({made["id"] for _, made in answers}) == 1
    await over(real, answers[0][1]["id"])
    assert sorted(real.world.ledger) == sorted(row["word"] for row in rows)


async def test_rows_may_come_in_parts(real: RealHub) -> None:
    await counting(real)
    file = {"name": "rows.csv", "sha256": "ab"}
    made = (await real.ask("POST", "/batches", {"graph": "count", "file": file}))[1]
    assert (made["status"], made["file"]) == ("loading", file)
    part = {"first": 1, "rows": [{"input": {"word": "a"}, "line": 2}, {"input": {}, "line": 3}]}
    assert (await real.ask("POST", f"/batches/{made['id']}/rows", part))[1]["rows"] == 2
    assert (await real.ask("POST", f"/batches/{made['id']}/resume"))[1]["status"] == "running"
    await over(real, made["id"])
    second = (await lines(real, f"/batches/{made['id']}/results?follow=true"))[1]
    assert second["error"]["message"].startswith("Line 3: ")


async def test_a_row_that_waits_says_on_which_thread_and_for_what(real: RealHub) -> None:
    made = (await real.ask("POST", "/batches", {"graph": "approve", "rows": [{"topic": "piers"}]}))[1]
    (row,) = await lines(real, f"/batches/{made['id']}/results?follow=true")
    assert row["waiting"][0]["value"]["choices"] == ["publish", "change", "reject"]
    state = (await real.ask("GET", f"/threads/{row['thread']}/state"))[1]
    assert [each["id"] for each in state["interrupts"]] == [row["waiting"][0]["id"]]


async def test_a_batch_is_paused_gone_on_with_and_cancelled(real: RealHub) -> None:
    rows = [{"file": f"f{number}"} for number in range(9)]
    made = (await real.ask("POST", "/batches", {"graph": "gate", "rows": rows, "concurrency": 2}))[1]
    await real.world.until(lambda: len(real.world.ledger) == 2)
    assert (await real.ask("GET", f"/batches/{made['id']}"))[1]["under_way"] == 2
    paused = (await real.ask("POST", f"/batches/{made['id']}/pause"))[1]
    assert (paused["status"], paused["reason"]) == ("paused", "It was paused.")
    real.world.open_gate("f0")
    real.world.open_gate("f1")
    assert len(await lines(real, f"/batches/{made['id']}/results?follow=true")) == 2
    assert (await real.ask("POST", f"/batches/{made['id']}/resume", {"concurrency": 1}))[0] == 200
    await real.world.until(lambda: "before f2" in real.world.ledger)
    status, cancelled = await real.ask("POST", f"/batches/{made['id']}/cancel")
    assert (status, cancelled["status"], cancelled["pending"]) == (200, "cancelled", 6)


async def test_what_is_wrong_is_refused_with_a_sentence(real: RealHub) -> None:
    await counting(real)
    for body, status, word in (
        ({"graph": "count", "rows": []}, 422, "no rows"),
        ({"graph": "nope", "rows": [{}]}, 404, "no graph nope"),
        ({"rows": [{}]}, 422, "graph"),
        ({"graph": "count", "rows": {"word": "a"}}, 422, "rows"),
        ({"graph": "count", "rows": [{}], "budget_usd": -1}, 422, "above 0"),
        ({"graph": "count", "rows": [{}], "rwos": 1}, 422, "rwos"),
    ):
        found, said = await real.ask("POST", "/batches", body)
        assert found == status, said
        assert word in said["detail"]
    made = (await real.ask("POST", "/batches", {"graph": "count"}))[1]
    assert (await real.ask("POST", f"/batches/{made['id']}/resume"))[0] == 422
    assert (await real.ask("GET", f"/batches/{made['id']}/results?after=-1"))[0] == 422
    assert (await real.ask("GET", "/batches/nope/results"))[0] == 404
    assert (await real.ask("GET", "/batches?limit=0"))[0] == 422
