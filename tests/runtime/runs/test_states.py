"""The states of a thread: read at any checkpoint, changed from outside, copied."""

from __future__ import annotations

import sqlite3

import pytest

from runtime.errors import Conflict, InvalidInput, NoSuchCheckpoint, NoSuchInterrupt, NotFound
from runtime.records import Run, RunOptions, RunStatus
from runtime.runs.answers import Answer
from runtime.runs.state import Place, ThreadState, Update

from .conftest import APPROVE, World, asked, lifecycles


async def waiting(world: World, thread: str = "t") -> Run:
    """Return a run that waits."""
    return await world.ended(await world.start("approve", thread, input={"topic": "piers"}))


async def state(world: World, thread: str = "t", place: Place | None = None) -> ThreadState:
    return await world.engine.threads.state("default", thread, place or Place())


async def test_every_checkpoint_can_be_read_again(world: World) -> None:
    await waiting(world)
    history = await world.engine.threads.history("default", "t")
    assert [each.next for each in history] == [("ask",), ("draft",), ("__start__",)]
    assert [each.metadata["step"] for each in history] == [1, 0, -1]
    assert [each.parent and each.parent.checkpoint for each in history] == [
        *[each.checkpoint_id for each in history[1:]],
        None,
    ]
    for each in history:
        again = await state(world, place=each.place)
        assert (again.values, again.next, again.place) == (each.values, each.next, each.place)
    (task,) = history[0].tasks
    assert (task.name, task.error, [each["value"]["step"] for each in task.interrupts]) == (
        "ask",
        None,
        ["ask"],
    )
    assert history[0].interrupts[0]["response_schema"]["anyOf"]


async def test_the_history_begins_before_a_checkpoint_and_is_filtered(world: World) -> None:
    run = await waiting(world)
    whole = await world.engine.threads.history("default", "t")

    async def found(**asked: object) -> list[str | None]:
        states = await world.engine.threads.history("default", "t", **asked)  # type: ignore[arg-type]
        return [each.checkpoint_id for each in states]

    ids = [each.checkpoint_id for each in whole]
    assert await found(limit=1) == ids[:1]
    assert await found(before=ids[0]) == ids[1:]
    assert await found(before=ids[0], limit=1) == ids[1:2]
    assert await found(metadata={"source": "input"}) == ids[-1:]
    assert await found(metadata={"run_id": run.id}) == ids
    assert await found(metadata={"run_id": "another"}) == []
    assert await found(place=whole[1].place) == ids[1:2]


async def test_a_thread_without_a_run_has_an_empty_state_and_no_history(world: World) -> None:
    await world.engine.threads.create("default", "t")
    assert (await state(world)).values == {}
    assert await world.engine.threads.history("default", "t") == []


async def test_unknown_places_are_refused(world: World) -> None:
    await waiting(world)
    for place in (Place("nonsense"), Place(namespace=("draft:1",))):
        with pytest.raises(NoSuchCheckpoint):
            await state(world, place=place)
        with pytest.raises(NoSuchCheckpoint):
            await world.engine.threads.update_state("default", "t", {"said": "x"}, place=place)
    with pytest.raises(NotFound):
        await state(world, "elsewhere")
    with pytest.raises(NotFound):
        await world.engine.threads.history("another", "t")


async def test_states_are_read_with_the_version_that_wrote_them(world: World) -> None:
    """Steps that an edit renamed are still the next ones of older checkpoints."""
    await waiting(world)
    renamed = APPROVE.replace("node.draft", "node.write").replace('"draft"', '"write"')
    world.write(approve=renamed)
    await world.restart()
    assert (await state(world)).next == ("ask",)
    await waiting(world)
    history = await world.engine.threads.history("default", "t")
    nexts = ["ask", "write", "__start__", "ask", "draft", "__start__"]
    assert [each.next for each in history] == [(name,) for name in nexts]


async def test_a_state_whose_version_is_gone_is_refused_aloud(world: World) -> None:
    run = await waiting(world)
    world.write(approve=APPROVE.replace('"publish {{', '"shout {{'))
    with sqlite3.connect(world.folder / "var" / "hubbub.db") as database:
        database.execute("DELETE FROM graph_texts WHERE graph = 'approve'")
    await world.restart()
    for reading in (
        state(world),
        world.engine.threads.history("default", "t"),
        world.engine.threads.update_state("default", "t", {"said": "x"}),
    ):
        with pytest.raises(NotFound, match=run.version):
            await reading
    assert [entry.thread.id for entry in await world.engine.threads.search("default")] == ["t"]


async def test_a_change_from_outside_is_a_checkpoint_of_its_own(world: World) -> None:
    await waiting(world)
    before = await state(world)
    place = await world.engine.threads.update_state("default", "t", {"said": "mended"}, as_node="draft")
    after = await state(world)
    assert after.place == place != before.place
    assert (after.values["said"], after.next, after.metadata["source"]) == ("mended", ("ask",), "update")
    assert after.parent == before.place
    await world.restart()
    assert await state(world) == after


async def test_a_change_is_told_on_the_thread(world: World) -> None:
    await waiting(world)
    channel = await world.engine.threads.channel("default", "t")
    seen = channel.last_seq
    place = await world.engine.threads.update_state("default", "t", {"said": "mended"}, as_node="draft")
    told, values = (await channel.read(seen)).events
    assert (told.method, told.durable, told.data["id"], told.data["source"]) == (
        *("checkpoints", True, place.checkpoint, "update"),
    )
    assert (values.method, values.data["said"]) == ("values", "mended")


async def test_the_run_goes_on_from_the_changed_state(world: World) -> None:
    await waiting(world)
    await world.engine.threads.update_state("default", "t", {"said": "mended"}, as_node="draft")
    again = await world.ended(await world.start("approve"))
    assert again.status is RunStatus.INTERRUPTED
    assert again.waiting[0].value["show"] == {"said": "mended"}
    await world.engine.runs.respond("default", "t", Answer({again.waiting[0].id: "reject"}))
    assert (await world.ended(again)).output == {
        "said": "mended",
        "decision": {"choice": "reject", "note": ""},
    }


async def test_a_question_that_the_changed_state_does_not_ask_waits_no_longer(world: World) -> None:
    run = await waiting(world)
    id = run.waiting[0].id
    decision = {"choice": "publish", "note": "by hand"}
    await world.engine.threads.update_state("default", "t", {"decision": decision}, as_node="ask")
    assert (await world.engine.runs.get("default", run.id)).waiting == ()
    assert await world.engine.runs.waiting("default", "t") is None
    with pytest.raises(Conflict):
        await world.engine.runs.respond("default", "t", Answer({id: "publish"}))
    with pytest.raises(NoSuchInterrupt):
        await world.engine.runs.respond("default", "t", Answer({"nonsense": "publish"}))


@pytest.mark.parametrize(
    ("values", "as_node", "sentence"),
    [
        ({"sad": "x"}, "draft", "did you mean said"),
        ({"said": 7}, "draft", "said is wrong"),
        ({"said": "x"}, "drift", "did you mean draft"),
        ([{"said": "x"}], "draft", "cannot take this change"),
    ],
)
async def test_a_change_that_the_graph_cannot_take_is_refused_and_nothing_changes(
    world: World, values: object, as_node: str, sentence: str
) -> None:
    run = await waiting(world)
    before = await state(world)
    with pytest.raises(InvalidInput, match=sentence):
        await world.engine.threads.update_state("default", "t", values, as_node=as_node)
    assert await state(world) == before
    assert (await world.engine.runs.get("default", run.id)).waiting == run.waiting


async def test_the_state_of_a_busy_thread_is_not_changed(world: World) -> None:
    run = await world.start("gate", input={"file": "a"})
    await world.until(lambda: "before a" in world.ledger)
    with pytest.raises(Conflict, match="busy"):
        await world.engine.threads.update_state("default", "t", {"said": "x"})
    world.open_gate("a")
    await world.ended(run)


async def test_a_run_can_begin_from_an_older_checkpoint(world: World) -> None:
    run = await waiting(world)
    await world.engine.runs.respond("default", "t", Answer({run.waiting[0].id: "reject"}))
    await world.ended(run)
    drafted = next(
        each for each in await world.engine.threads.history("default", "t") if each.next == ("draft",)
    )
    options = RunOptions(checkpoint=drafted.checkpoint_id)
    again = await world.ended(await world.start("approve", options=options))
    assert again.status is RunStatus.INTERRUPTED
    assert world.ledger == ["draft piers", "draft piers"]


async def test_an_older_checkpoint_can_be_changed_and_is_then_the_newest(world: World) -> None:
    await waiting(world)
    first = (await world.engine.threads.history("default", "t"))[1]
    place = await world.engine.threads.update_state(
        "default", "t", {"said": "otherwise"}, as_node="draft", place=first.place
    )
    newest = await state(world)
    assert (newest.place, newest.values["said"], newest.parent) == (place, "otherwise", first.place)


async def test_a_fork_makes_an_older_checkpoint_the_newest_once_more(world: World) -> None:
    run = await waiting(world)
    history = await world.engine.threads.history("default", "t")
    for older in history[1:]:
        place = await world.engine.threads.fork("default", "t", older.place)
        newest = await state(world)
        assert newest.place == place != older.place
        assert (newest.values, newest.next, newest.parent) == (older.values, older.next, older.parent)
        assert newest.metadata["source"] == "fork"
    assert (await world.engine.runs.get("default", run.id)).waiting == ()
    again = await world.ended(await world.start("approve"))
    assert again.status is RunStatus.INTERRUPTED
    assert world.ledger == ["draft piers", "draft piers"]
    with pytest.raises(NoSuchCheckpoint):
        await world.engine.threads.fork("default", "t", Place("nonsense"))


async def test_a_copy_has_the_past_and_goes_its_own_way(world: World) -> None:
    run = await waiting(world)
    await world.engine.threads.update("default", "t", {"who": "ann"})
    copy = await world.engine.threads.copy("default", "t")
    assert (copy.id != "t", copy.metadata["who"]) == (True, "ann")
    assert await world.engine.threads.status("default", copy.id) == "interrupted"
    theirs = await world.engine.threads.history("default", copy.id)
    ours = await world.engine.threads.history("default", "t")
    assert [each.values for each in theirs] == [each.values for each in ours]
    assert asked(await world.events(copy.id))[0]["interrupt_id"] == run.waiting[0].id
    answer = Answer({run.waiting[0].id: {"choice": "publish", "note": "copy"}})
    answered = await world.ended(await world.engine.runs.respond("default", copy.id, answer))
    assert answered.status is RunStatus.SUCCESS
    assert lifecycles(await world.events(copy.id))[-1] == ("completed", "success")
    assert world.ledger == ["draft piers", "publish copy"]
    assert (await world.engine.runs.get("default", run.id)).waiting == run.waiting
    assert (await state(world)).next == ("ask",)


async def test_a_thread_can_be_made_with_a_past(world: World) -> None:
    past = [
        [Update({"topic": "piers"}, "__input__")],
        [Update({"said": "as if drafted"}, "draft")],
    ]
    made = await world.engine.threads.create(
        "default", "t", metadata={"graph_id": "approve"}, supersteps=past
    )
    found = await state(world, made.id)
    assert (found.values["said"], found.next) == ("as if drafted", ("ask",))
    run = await world.ended(await world.start("approve"))
    assert run.waiting[0].value["show"] == {"said": "as if drafted"}


async def test_a_past_that_does_not_fit_leaves_no_thread(world: World) -> None:
    for metadata, past in (
        ({"graph_id": "approve"}, [[Update({"nonsense": 1}, "draft")]]),
        ({}, [[Update({"topic": "x"}, "__input__")]]),
        ({"graph_id": "approve"}, [[]]),
    ):
        with pytest.raises(InvalidInput):
            await world.engine.threads.create("default", "t", metadata=metadata, supersteps=past)
        with pytest.raises(NotFound):
            await world.engine.threads.get("default", "t")
