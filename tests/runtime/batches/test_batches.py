"""A batch takes every row to its end once, whatever stops it in between."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial

import pytest

from runtime.batches.batch import Batch, BatchStatus, NewBatch, NewRow
from runtime.errors import Conflict, InvalidInput, NotFound
from runtime.runs.answers import Answer
from runtime.settings import BatchesSettings, RunsSettings
from tests.runtime.runs.conftest import World

from .conftest import Table


def words(count: int) -> list[dict[str, str]]:
    return [{"word": f"w{number}"} for number in range(1, count + 1)]


def _after(world: World, least: int) -> bool:
    return sum(line.startswith("after") for line in world.ledger) >= least


async def test_every_row_has_its_output_beside_its_number(table: Table) -> None:
    done = await table.over(await table.begin("count", words(30)))
    assert (done.status, done.rows, done.done, done.failed) == ("done", 30, 30, 0)
    assert await table.results(done) == [(n, "done", {"said": f"w{n}"}) for n in range(1, 31)]
    assert sorted(table.world.ledger) == sorted(f"w{n}" for n in range(1, 31))


async def test_a_row_that_fails_has_its_error_and_the_others_go_on(table: Table) -> None:
    rows = [{"word": "a"}, {"number": 3}, "no object", {"word": "d", "number": "four"}, {"word": "e"}]
    done = await table.over(await table.begin("count", rows))
    assert (done.done, done.failed) == (2, 3)
    results = await table.results(done)
    assert [status for _, status, _ in results] == ["done", "failed", "failed", "failed", "done"]
    assert "word" in results[1][2]["message"]
    assert "JSON object" in results[2][2]["message"]
    assert "number" in results[3][2]["message"]


async def test_an_error_names_the_line_of_its_row(table: Table) -> None:
    batches = table.world.engine.batches
    made = await batches.create(NewBatch("default", "count"))
    await batches.add("default", made.id, 1, [NewRow({}, line=7), NewRow(None, line=9, problem="It is cut.")])
    done = await table.over(await batches.resume("default", made.id))
    told = [result["message"] for _, _, result in await table.results(done)]
    assert told[0].startswith("Line 7: ")
    assert told[1] == "Line 9: It is cut."


async def test_rows_that_are_sent_twice_are_stored_once(table: Table) -> None:
    batches = table.world.engine.batches
    made = await batches.create(NewBatch("default", "count"))
    rows = [NewRow(each) for each in words(3)]
    await batches.add("default", made.id, 1, rows[:2])
    assert (await batches.add("default", made.id, 2, rows[1:])).rows == 3
    with pytest.raises(InvalidInput, match="number 4"):
        await batches.add("default", made.id, 5, rows)
    done = await table.over(await batches.resume("default", made.id))
    assert [result["said"] for _, _, result in await table.results(done)] == ["w1", "w2", "w3"]
    with pytest.raises(Conflict, match="all its rows"):
        await batches.add("default", made.id, 4, rows)


async def test_a_restart_goes_on_and_runs_no_row_twice(table: Table) -> None:
    batch = await table.begin("gate", [{"file": f"f{n}"} for n in range(40)], concurrency=4)
    world = table.world
    await world.until(lambda: len(world.ledger) == 4)
    for turn in range(3):
        world.open_gate(f"f{turn}")
        await world.until(partial(_after, world, turn + 1))
        await table.restart()
    for number in range(40):
        world.open_gate(f"f{number}")
    done = await table.over(batch)
    assert [each for each in await table.results(done) if each[1] != "done"] == []
    assert (done.status, done.done) == ("done", 40)
    assert [number for number, _, _ in await table.results(done)] == list(range(1, 41))
    for number in range(40):
        assert world.ledger.count(f"before f{number}") == 1
        assert world.ledger.count(f"after f{number} 0") == 1


async def test_a_batch_stays_within_its_budget_and_goes_on_with_a_larger_one(table: Table) -> None:
    batch = await table.begin("pay", words(20), budget_usd=0.55)
    rests = await table.over(batch)
    assert (rests.status, rests.done, rests.pending) == ("paused", 5, 15)
    assert rests.cost_usd == pytest.approx(0.5)
    assert "larger one" in rests.reason
    await table.world.engine.batches.resume("default", batch.id, budget_usd=5)
    done = await table.over(batch)
    assert (done.status, done.done) == ("done", 20)
    assert done.cost_usd == pytest.approx(2.0)
    paid = (table.world.folder / "paid").read_text().splitlines()
    assert sorted(paid) == sorted(row["word"] for row in words(20))


async def test_rows_that_failed_are_run_again_when_asked_and_no_others(table: Table) -> None:
    rows = [{"word": "good"}, {"word": "bad"}, {"word": "fine"}]
    failed = await table.over(await table.begin("pay", rows))
    assert (failed.done, failed.failed) == (2, 1)
    (table.world.folder / "mended").touch()
    await table.world.engine.batches.resume("default", failed.id, failed=True)
    done = await table.over(failed)
    assert (done.status, done.done, done.failed) == ("done", 3, 0)
    assert done.cost_usd == pytest.approx(0.4), "what the first try cost is counted too"
    paid = (table.world.folder / "paid").read_text().splitlines()
    assert sorted(paid) == ["bad", "bad", "fine", "good"]


async def test_a_batch_rests_when_row_after_row_fails_through_no_fault_of_its_own(table: Table) -> None:
    rests = await table.over(await table.begin("pay", [{"word": "bad"}] * 60, concurrency=1))
    assert (rests.status, rests.failed, rests.pending) == ("paused", 25, 35)
    assert "bad is bad" in rests.reason
    (table.world.folder / "mended").touch()
    await table.world.engine.batches.resume("default", rests.id, failed=True)
    assert (await table.over(rests)).done == 60
    wrong = await table.over(await table.begin("pay", [{}] * 60))
    assert (wrong.status, wrong.failed) == ("done", 60)


async def test_a_paused_batch_begins_no_row_and_goes_on_where_it_was(table: Table) -> None:
    batch = await table.begin("gate", [{"file": f"f{n}"} for n in range(6)], concurrency=2)
    world, batches = table.world, table.world.engine.batches
    await world.until(lambda: len(world.ledger) == 2)
    assert (await batches.pause("default", batch.id)).status == "paused"
    for number in range(6):
        world.open_gate(f"f{number}")
    rests = await table.over(batch)
    assert (rests.status, rests.done, rests.pending) == ("paused", 2, 4)
    await batches.resume("default", batch.id)
    assert (await table.over(batch)).done == 6


async def test_a_cancelled_batch_stops_what_is_under_way_for_good(table: Table) -> None:
    batch = await table.begin("gate", [{"file": f"f{n}"} for n in range(6)], concurrency=2)
    world, batches = table.world, table.world.engine.batches
    await world.until(lambda: len(world.ledger) == 2)
    over = await batches.cancel("default", batch.id)
    assert (over.status, over.failed, over.pending) == ("cancelled", 2, 4)
    assert {result["code"] for _, _, result in await table.results(over)} == {"cancelled"}
    with pytest.raises(Conflict, match="cancelled"):
        await batches.resume("default", batch.id)
    await table.restart()
    assert (await table.get(batch)).status == "cancelled"
    assert len(world.ledger) == 2


async def test_a_row_whose_run_asks_a_person_waits_and_ends_with_the_answer(table: Table) -> None:
    batch = await table.over(await table.begin("approve", [{"topic": "piers"}, {"topic": "ferries"}]))
    assert (batch.status, batch.waiting) == ("done", 2)
    engine = table.world.engine
    page = [row async for rows in engine.batches.results("default", batch.id) for row in rows]
    first, second = page
    asked = (await table.results(batch))[0][2]
    answer = {asked[0]["id"]: {"choice": "publish", "note": "now"}}
    await engine.runs.respond("default", first.thread, Answer(answer))
    await engine.runs.cancel("default", second.run)
    async with asyncio.timeout(20):
        while (await table.get(batch)).waiting:
            await asyncio.sleep(0.005)
    results = await table.results(batch)
    assert [status for _, status, _ in results] == ["done", "failed"]
    assert results[0][2]["said"] == "publish now"
    assert results[1][2]["code"] == "cancelled"


async def test_an_answer_whose_row_was_not_told_of_it_is_taken_over_at_the_next_start(table: Table) -> None:
    batch = await table.over(await table.begin("approve", [{"topic": "piers"}]))
    engine = table.world.engine
    page = [row async for rows in engine.batches.results("default", batch.id) for row in rows]
    engine.runs.ended = lambda run: None  # as if the process had died in between
    await engine.runs.cancel("default", page[0].run)
    assert (await table.get(batch)).waiting == 1
    await table.restart()
    found = await table.get(batch)
    assert (found.waiting, found.failed) == (0, 1)


async def test_a_batch_keeps_the_version_it_was_made_with(table: Table) -> None:
    batch = await table.begin("gate", [{"file": f"f{n}"} for n in range(3)], concurrency=1)
    world = table.world
    await world.until(lambda: len(world.ledger) == 1)
    graph = world.folder / "graphs" / "gate.toml"
    graph.write_text(graph.read_text().replace("before {{ file }}", "changed {{ file }}"))
    await world.engine.graphs.edited({"gate"})
    for number in range(3):
        world.open_gate(f"f{number}")
    assert (await table.over(batch)).done == 3
    assert not [line for line in world.ledger if line.startswith("changed")]


async def test_one_idempotency_key_makes_one_batch(table: Table) -> None:
    batches = table.world.engine.batches
    new = NewBatch("default", "count", idempotency_key="k", fingerprint="f")
    made = await batches.create(new)
    assert (await batches.create(new)).id == made.id
    with pytest.raises(Conflict, match="another batch"):
        await batches.create(replace(new, fingerprint="g"))


async def test_the_same_file_is_gone_on_with_unless_the_graph_has_changed(table: Table) -> None:
    batches, new = table.world.engine.batches, NewBatch("default", "count", file="a.csv", sha256="ab")
    made = await batches.create(new)
    await batches.add("default", made.id, 1, [NewRow({"word": "a"})])
    assert (await batches.create(new)).id == made.id
    await table.over(await batches.resume("default", made.id))
    assert (await batches.create(new)).id == made.id
    assert (await batches.create(replace(new, again=True))).id != made.id
    graph = table.world.folder / "graphs" / "count.toml"
    graph.write_text(graph.read_text().replace("{{ word }}", "{{ word }}!"))
    await table.world.engine.graphs.edited({"count"})
    assert (await batches.create(replace(new, sha256="cd"))).id != made.id


async def test_tenants_never_see_each_others_batches(table: Table) -> None:
    batch = await table.over(await table.begin("count", words(1)))
    batches = table.world.engine.batches
    assert await batches.list("other") == []
    for asked in (batches.get, batches.pause, batches.cancel, batches.delete, batches.resume):
        with pytest.raises(NotFound, match="no batch"):
            await asked("other", batch.id)
    with pytest.raises(NotFound, match="no batch"):
        await anext(batches.results("other", batch.id))


async def test_a_large_batch_lets_others_go_first(table: Table) -> None:
    world = table.world
    await table.restart(runs=RunsSettings(concurrency=2), batches=BatchesSettings(concurrency=64))
    batch = await table.begin("count", words(150))
    await world.until(lambda: len(world.ledger) > 5)
    for number in range(3):
        run = await world.start("count", f"mine{number}", input={"word": "mine"})
        await world.ended(run)
    assert world.ledger.count("mine") == 3
    assert (await table.get(batch)).pending > 0, "nobody waited for the batch to be over"
    assert (await table.over(batch)).done == 150


async def test_batches_share_their_places_in_turn(table: Table) -> None:
    long = await table.begin("gate", [{"file": f"f{n}"} for n in range(40)])
    await table.world.until(lambda: len(table.world.ledger) == 16)
    given_up = await table.begin("count", words(2))
    assert (await table.world.engine.batches.cancel("default", given_up.id)).pending == 2
    short = await table.begin("count", words(2))
    # The places that three rows of the long one give back go to both in turn.
    for number in range(3):
        table.world.open_gate(f"f{number}")
    assert (await table.over(short)).done == 2
    assert (await table.get(long)).done == 3
    await table.world.engine.batches.cancel("default", long.id)


async def test_threads_of_rows_go_after_their_time_and_results_stay(table: Table) -> None:
    world = table.world
    await table.restart(batches=BatchesSettings(threads=0.001))
    batch = await table.over(await table.begin("count", words(5)))
    before = await world.engine.journal.expired_threads(0, 100)
    assert len(before) == 5
    for thread in before:
        await world.engine.threads.delete("default", thread.id)
    assert len(await table.results(batch)) == 5


async def test_old_batches_are_deleted_and_those_that_run_are_not(table: Table) -> None:
    over = await table.over(await table.begin("count", words(5)))
    runs = await table.begin("gate", [{"file": "f"}])
    world = table.world
    await table.restart(batches=BatchesSettings(keep=0.001))
    async with asyncio.timeout(20):
        while over.id in {each.id for each in await world.engine.batches.list("default")}:
            await asyncio.sleep(0.005)
    assert [each.id for each in await world.engine.batches.list("default")] == [runs.id]


async def test_what_cannot_be_begun_is_refused_with_a_sentence(table: Table) -> None:
    batches = table.world.engine.batches
    with pytest.raises(NotFound, match="no graph nope"):
        await batches.create(NewBatch("default", "nope"))
    with pytest.raises(InvalidInput, match="above 0"):
        await batches.create(NewBatch("default", "count", budget_usd=float("nan")))
    with pytest.raises(InvalidInput, match="1 or more"):
        await batches.create(NewBatch("default", "count", concurrency=0))
    made = await batches.create(NewBatch("default", "count"))
    with pytest.raises(InvalidInput, match="no rows"):
        await batches.resume("default", made.id)


async def test_a_budget_cannot_hold_where_a_model_has_no_price_and_that_is_said(table: Table) -> None:
    plugin = table.world.folder / "plugins" / "pay.py"
    plugin.write_text(plugin.read_text().replace(", cost_usd=0.1", ""))
    await table.restart()
    rests = await table.over(await table.begin("pay", words(9), budget_usd=1))
    assert (rests.status, rests.done, rests.unpriced) == ("paused", 1, 1)
    assert "price" in rests.reason


def test_the_room_of_a_budget_is_what_rows_have_cost_so_far() -> None:
    about = ("b", "t", "g", "v", BatchStatus.RUNNING, time.time(), time.time(), 4)
    none = Batch(*about, budget_usd=1.0, rows=10)
    assert none.allows(0)
    assert not none.allows(1)
    some = replace(none, done=2, cost_usd=0.4)
    assert some.allows(2)
    assert not some.allows(3)
    assert not replace(some, cost_usd=1.0).allows(0)
    assert Batch(*about, rows=10).allows(9)
