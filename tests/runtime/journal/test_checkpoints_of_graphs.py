"""LangGraph's own graphs on the saver: history, time travel, subgraphs, and runs that are undone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.types import Command, interrupt

from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Run

from .conftest import State, ask_twice, chain, config, everything, say

THREE = chain(("one", say("1")), ("two", say("2")), ("three", say("3")))


async def ask(state: State) -> State:
    return {"log": [interrupt("ok?")]}


def nested(checkpointer: bool | None = None, inner: Any = ask) -> StateGraph[State]:
    """Return a graph whose second step is a graph of two steps, of which the second asks."""
    return chain(
        ("before", say("before")),
        ("inner", chain(("draft", say("draft")), ("ask", inner)).compile(checkpointer=checkpointer)),
        ("after", say("after")),
    )


async def history(graph: Any, where: Any) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    return [(state.next, state.values) async for state in graph.aget_state_history(where)]


# --------------------------------------------------------------------------- history and time travel


async def test_history_is_what_langgraphs_own_memory_saver_says(saver: JournalSaver) -> None:
    histories = []
    for each in (saver, InMemorySaver()):
        graph = THREE.compile(checkpointer=each)
        await graph.ainvoke({"topic": "a", "log": []}, config("t"))
        await graph.aupdate_state(config("t"), {"log": ["edited"]}, as_node="one")
        await graph.ainvoke(None, config("t"))
        histories.append(await history(graph, config("t")))
    assert histories[0] == histories[1]
    assert histories[0][0] == ((), {"topic": "a", "log": ["1", "2", "3", "edited", "2", "3"]})


async def test_a_page_of_history_begins_before_a_checkpoint(saver: JournalSaver) -> None:
    graph = THREE.compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t"))
    states = [state async for state in graph.aget_state_history(config("t"))]
    page = [s async for s in graph.aget_state_history(config("t"), before=states[1].config, limit=2)]
    assert page == states[2:4]


async def test_a_fork_from_a_checkpoint_leaves_the_older_branch_readable(saver: JournalSaver) -> None:
    graph = THREE.compile(checkpointer=saver)
    await graph.ainvoke({"topic": "a", "log": []}, config("t"))
    states = [state async for state in graph.aget_state_history(config("t"))]
    before_two = next(state for state in states if state.next == ("two",))
    head = await graph.aget_state(config("t"))
    forked = await graph.aupdate_state(before_two.config, {"log": ["fork"]}, as_node="one")
    assert (await graph.ainvoke(None, forked))["log"] == ["1", "fork", "2", "3"]
    assert (await graph.aget_state(config("t"))).values["log"] == ["1", "fork", "2", "3"]
    assert (await graph.aget_state(head.config)).values == head.values
    replayed = await graph.ainvoke(None, before_two.config)
    assert replayed["log"] == ["1", "2", "3"]


@pytest.mark.parametrize("checkpointer", [None, True])
async def test_a_subgraphs_state_is_read_and_changed_while_it_waits(
    saver: JournalSaver, checkpointer: bool | None
) -> None:
    graph = nested(checkpointer).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t"))
    waiting = await graph.aget_state(config("t"), subgraphs=True)
    inside: Any = waiting.tasks[0].state
    assert (waiting.next, inside.next, inside.values["log"]) == (("inner",), ("ask",), ["before", "draft"])
    await graph.aupdate_state(inside.config, {"log": ["edited"]}, as_node="draft")
    again: Any = (await graph.aget_state(config("t"), subgraphs=True)).tasks[0].state
    assert again.values["log"] == ["before", "draft", "edited"]
    told = await graph.ainvoke(Command(resume="yes"), config("t"))
    assert told["log"][-2:] == ["yes", "after"]


async def test_a_subgraph_is_replayed_from_before_the_fork(saver: JournalSaver) -> None:
    logs = []
    for each in (saver, InMemorySaver()):
        graph = nested().compile(checkpointer=each)
        await graph.ainvoke({"log": []}, config("t"))
        await graph.ainvoke(Command(resume="yes"), config("t"))
        states = [state async for state in graph.aget_state_history(config("t"))]
        waited = next(state for state in states if state.next == ("inner",))
        told = await graph.ainvoke(None, waited.config)
        assert "__interrupt__" in told
        logs.append((await graph.ainvoke(Command(resume="no"), config("t")))["log"])
    assert logs[0] == logs[1]
    assert logs[0][-2:] == ["no", "after"]


# --------------------------------------------------------------------------- undoing a run


@pytest.mark.parametrize(
    "graph", [nested(), nested(True), nested(inner=ask_twice), chain(("ask", ask_twice))]
)
@pytest.mark.parametrize("answers", [["yes"], ["yes", "no"]])
async def test_after_undoing_a_run_the_thread_is_exactly_as_before(
    saver: JournalSaver,
    new_run: Callable[..., Awaitable[Run]],
    graph: StateGraph[State],
    answers: list[str],
) -> None:
    compiled = graph.compile(checkpointer=saver)
    await compiled.ainvoke({"log": []}, config("t", "first"))
    before = await everything(saver, "t")
    shown = await compiled.aget_state(config("t"), subgraphs=True)
    run = await new_run("t")
    for answer in answers:
        if (await compiled.aget_state(config("t"))).next:
            await compiled.ainvoke(Command(resume=answer), config("t", run.id, fence=1))
    assert await everything(saver, "t") != before
    await saver.adelete_for_runs([run.id])
    assert await everything(saver, "t") == before
    assert await compiled.aget_state(config("t"), subgraphs=True) == shown


async def test_a_run_without_a_record_is_found_by_what_it_left(saver: JournalSaver) -> None:
    graph = chain(("ask", ask_twice)).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t", "first"))
    before = await everything(saver, "t")
    await graph.ainvoke(Command(resume="yes"), config("t", "second"))  # leaves writes alone
    await saver.adelete_for_runs(["second"])
    assert await everything(saver, "t") == before


async def test_an_undone_question_can_be_answered_otherwise(saver: JournalSaver) -> None:
    graph = chain(("ask", ask_twice)).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t", "first"))
    await graph.ainvoke(Command(resume="yes"), config("t", "second"))
    await saver.adelete_for_runs(["second"])
    await graph.ainvoke(Command(resume="no"), config("t", "third"))
    told = await graph.ainvoke(Command(resume="never"), config("t", "third"))
    assert told["log"] == ["no and never"]


# --------------------------------------------------------------------------- clocks, processes


async def test_a_run_goes_on_after_the_clock_was_set_back(
    saver: JournalSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langgraph.checkpoint.base import id as ids

    graph = THREE.compile(checkpointer=saver)
    now = time.time_ns()
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(time, "time_ns", lambda: now + 86400 * 10**9)
        await graph.ainvoke({"log": ["tomorrow"]}, config("t"))
    monkeypatch.setattr(ids, "_last_v6_timestamp", None)  # as in a process that has just begun
    await graph.ainvoke({"log": ["today"]}, config("t"))
    assert (await graph.aget_state(config("t"))).values["log"][-4:] == ["today", "1", "2", "3"]


async def test_what_was_handed_over_is_read_back_without_waiting_for_other_threads(
    journal: SqliteJournal, saver: JournalSaver
) -> None:
    graph = THREE.compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, config("t"))
    await graph.ainvoke({"log": []}, config("other"))
    assert (await graph.aget_state(config("t"))).values["log"] == ["1", "2", "3"]
    await journal.barrier()
    assert saver._under_way == {}
