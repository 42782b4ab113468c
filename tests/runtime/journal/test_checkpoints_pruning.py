"""Old checkpoints are let go with what they own, and never one that something still needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal

from .conftest import State, ask_twice, chain, config, everything, say

Counts = Callable[[], dict[str, int]]


@pytest.fixture
def counts(tmp_path: Path) -> Counts:
    """Count the rows on disk: of checkpoints, of writes, and of writes whose checkpoint is gone."""

    def one(sql: str) -> int:
        with sqlite3.connect(tmp_path / "journal.db") as database:
            return int(database.execute(sql).fetchone()[0])

    def count() -> dict[str, int]:
        return {
            "checkpoints": one("SELECT count(*) FROM checkpoints"),
            "namespaces": one("SELECT count(DISTINCT ns) FROM checkpoints"),
            "writes": one("SELECT count(*) FROM writes"),
            "orphans": one(
                "SELECT count(*) FROM writes WHERE (thread, ns, checkpoint)"
                " NOT IN (SELECT thread, ns, id FROM checkpoints)"
            ),
        }

    return count


def steps(number: int) -> Any:
    return chain(*((f"step{each}", say(str(each))) for each in range(number)))


async def ask(state: State) -> State:
    return {"log": [interrupt("ok?")]}


async def test_the_newest_stay_and_the_others_take_their_writes_along(
    journal: SqliteJournal, counts: Counts
) -> None:
    saver = JournalSaver(journal, keep=5)
    graph = steps(10).compile(checkpointer=saver)
    for run in ("first", "second", "third"):
        told = await graph.ainvoke({"log": [run]}, config("t", run))
    states = [state async for state in graph.aget_state_history(config("t"))]
    assert [state.values["log"][-1] for state in states[:5]] == ["9", "8", "7", "6", "5"]
    assert states[0].values == told
    assert len(states) == 6  # the sixth is where undoing the last run leads back to
    assert counts()["orphans"] == 0
    kept = sum(len(found.pending_writes or []) for found in await everything(saver, "t"))
    assert counts()["writes"] == kept


async def test_a_thread_may_be_a_tenth_over_before_it_is_pruned(
    journal: SqliteJournal, counts: Counts
) -> None:
    saver = JournalSaver(journal, keep=20)
    graph = steps(20).compile(checkpointer=saver)  # 22 checkpoints
    await graph.ainvoke({"log": []}, config("t"))
    await journal.barrier()
    assert counts()["checkpoints"] == 22
    await graph.aupdate_state(config("t"), {"log": ["edited"]})
    await journal.barrier()
    assert counts()["checkpoints"] == 20


async def test_a_run_longer_than_what_is_kept_can_still_be_undone(
    journal: SqliteJournal, counts: Counts
) -> None:
    saver = JournalSaver(journal, keep=2)
    asking = chain(("say", say("before")), ("ask", ask_twice)).compile(checkpointer=saver)
    await asking.ainvoke({"log": []}, config("t", "first"))
    before = await asking.aget_state(config("t"))
    await steps(30).compile(checkpointer=saver).ainvoke({"log": ["long"]}, config("t", "second"))
    await saver.adelete_for_runs(["second"])
    assert await asking.aget_state(config("t")) == before
    await asking.ainvoke(Command(resume="still"), config("t", "third"))
    told = await asking.ainvoke(Command(resume="there"), config("t", "third"))
    assert told["log"] == ["before", "still and there"]


async def test_threads_and_namespaces_are_pruned_apart(journal: SqliteJournal, counts: Counts) -> None:
    saver = JournalSaver(journal, keep=3)
    await steps(9).compile(checkpointer=saver).ainvoke({"log": []}, config("quiet"))
    quiet = await everything(saver, "quiet")
    inner = steps(9).compile(checkpointer=True)
    for _ in range(3):
        graph = chain(("before", say("b")), ("inner", inner)).compile(checkpointer=saver)
        await graph.ainvoke({"log": []}, config("t"))
    assert await everything(saver, "quiet") == quiet
    found = await everything(saver, "t")
    assert sum(each.config["configurable"]["checkpoint_ns"] == "inner" for each in found) == 3
    assert sum(each.config["configurable"]["checkpoint_ns"] == "" for each in found) == 3


@pytest.mark.parametrize("keep", [1, 2, 50])
async def test_a_question_inside_a_subgraph_outlives_any_pruning(journal: SqliteJournal, keep: int) -> None:
    saver = JournalSaver(journal, keep=keep)
    inmost = chain(*((f"step{each}", say(str(each))) for each in range(8)), ("ask", ask)).compile()
    inner = chain(("draft", say("draft")), ("inmost", inmost)).compile()
    graph = chain(("before", say("before")), ("inner", inner), ("after", say("after")))
    compiled = graph.compile(checkpointer=saver)
    for turn in range(3):
        await compiled.ainvoke({"log": [f"turn {turn}"]}, config("t", f"run {turn}"))
        told = await compiled.ainvoke(Command(resume="yes"), config("t", f"answer {turn}"))
        assert told["log"][-2:] == ["yes", "after"]
        assert [state.next async for state in compiled.aget_state_history(config("t"), limit=1)] == [()]


async def test_a_subgraphs_checkpoints_go_with_the_checkpoint_that_ran_it(
    journal: SqliteJournal, counts: Counts
) -> None:
    saver = JournalSaver(journal, keep=3)
    inmost = chain(("deep", say("deep"))).compile(checkpointer=None)
    inner = chain(("draft", say("draft")), ("inmost", inmost)).compile()
    graph = chain(("before", say("before")), ("inner", inner)).compile(checkpointer=saver)
    sizes = []
    for turn in range(8):
        await graph.ainvoke({"log": []}, config("t", f"run {turn}"))
        await journal.barrier()
        sizes.append(counts())
    assert sizes[7] == sizes[3]
    assert sizes[7]["namespaces"] <= 1 + 2 * 2
    assert sizes[7]["orphans"] == 0


class Delta(TypedDict, total=False):
    log: Annotated[list[str], DeltaChannel(lambda old, new: sum(new, old), snapshot_frequency=7)]


async def test_the_ancestors_that_a_delta_channel_is_built_from_stay(
    journal: SqliteJournal, counts: Counts
) -> None:
    saver = JournalSaver(journal, keep=2)
    builder = StateGraph(Delta)
    builder.add_node("say", lambda state: {"log": ["x"]})
    builder.add_edge(START, "say")
    graph = builder.compile(checkpointer=saver)
    for turn in range(1, 25):
        await graph.ainvoke({"log": ["y"]}, config("t", f"run {turn}"))
        assert (await graph.aget_state(config("t"))).values["log"] == ["y", "x"] * turn
    kept = [state.values["log"] async for state in graph.aget_state_history(config("t"))]
    assert kept[:2] == [["y", "x"] * 24, ["y", "x"] * 23 + ["y"]]
    assert len(kept) < 24
    await saver.aprune(["t"])
    assert (await graph.aget_state(config("t"))).values["log"] == ["y", "x"] * 24


async def test_pruning_to_the_latest_keeps_what_a_waiting_thread_needs(
    journal: SqliteJournal, saver: JournalSaver, counts: Counts
) -> None:
    inner = chain(("draft", say("draft")), ("ask", ask)).compile()
    graph = chain(("before", say("before")), ("inner", inner)).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t", "first"))
    await graph.ainvoke(Command(resume="yes"), config("t", "second"))
    await graph.ainvoke({"log": ["again"]}, config("t", "third"))
    await saver.aprune(["t"])
    assert counts() == {"checkpoints": 2, "namespaces": 2, "writes": counts()["writes"], "orphans": 0}
    assert (await graph.ainvoke(Command(resume="no"), config("t", "fourth")))["log"][-1] == "no"


async def test_deleting_a_thread_leaves_nothing_of_it(
    journal: SqliteJournal, saver: JournalSaver, counts: Counts
) -> None:
    inner = chain(("draft", say("draft")), ("ask", ask)).compile()
    graph = chain(("inner", inner)).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t"))
    await saver.adelete_thread("t")
    assert counts() == {"checkpoints": 0, "namespaces": 0, "writes": 0, "orphans": 0}
