"""A graph written in Python has the store as LangGraph gives it, and always that of its run's tenant."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore, GetOp, InvalidNamespaceError, PutOp, SearchOp

from runtime.errors import HubbubError, InvalidInput, StorageError
from runtime.store.adapter import JournalStore, enter_tenant

NOTES = ("notes",)


class State(TypedDict, total=False):
    """What the graph is given and gives."""

    text: str
    found: list[str]


async def write(state: State, runtime: Runtime[None]) -> State:
    """Store a note, from a step that is async."""
    assert runtime.store
    await runtime.store.aput(NOTES, "note", {"text": state["text"]}, ttl=5)
    return {}


def read(state: State, *, store: BaseStore) -> State:
    """Find it again, from a step that is not."""
    store.put(NOTES, "second", {"text": state["text"]}, index=False)
    item = store.get(NOTES, "note")
    assert item
    found = store.search(NOTES, query=state["text"])
    assert store.list_namespaces(prefix=("notes",)) == [NOTES]
    store.delete(NOTES, "second")
    return {"found": [item.value["text"], *(each.value["text"] for each in found)]}


@pytest.fixture
async def adapter(store: Any) -> JournalStore:
    return JournalStore(store)


def compiled(adapter: JournalStore) -> Any:
    builder = StateGraph(State)
    builder.add_node("write", write)
    builder.add_node("read", read)
    builder.add_edge(START, "write")
    builder.add_edge("write", "read")
    builder.add_edge("read", END)
    return builder.compile(store=adapter)


async def run(graph: Any, tenant: str, text: str) -> list[str]:
    enter_tenant(tenant)
    found: list[str] = (await graph.ainvoke({"text": text}))["found"]
    return found


async def test_runs_of_two_tenants_share_the_graph_and_not_the_items(
    adapter: JournalStore, store: Any
) -> None:
    graph = compiled(adapter)
    tenants = [f"tenant {number}" for number in range(8)]
    results = await asyncio.gather(
        *(asyncio.create_task(run(graph, tenant, f"tea of {tenant}")) for tenant in tenants)
    )
    assert results == [[f"tea of {tenant}"] * 2 for tenant in tenants]
    item = await store.get("tenant 3", NOTES, "note")
    assert (item.value, item.ttl) == ({"text": "tea of tenant 3"}, 300)


async def test_outside_a_run_it_is_refused(adapter: JournalStore) -> None:
    with pytest.raises(HubbubError, match="outside a run"):
        await adapter.aget(NOTES, "note")


async def test_waiting_on_the_loop_is_refused_instead_of_hanging(adapter: JournalStore) -> None:
    enter_tenant("acme")
    with pytest.raises(HubbubError, match="await"):
        adapter.get(NOTES, "note")


async def test_a_step_in_a_thread_does_not_wait_for_ever(
    adapter: JournalStore, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.store.adapter.PATIENCE", 0.05)

    async def never(texts: Any) -> None:
        await asyncio.Event().wait()

    opened.words.embed = never
    enter_tenant("acme")
    with pytest.raises(StorageError, match="did not answer"):
        await asyncio.to_thread(adapter.search, NOTES, query="tea")


async def test_a_batch_reads_what_was_there_before_its_writes_and_the_last_write_counts(
    adapter: JournalStore,
) -> None:
    enter_tenant("acme")
    await adapter.aput(NOTES, "a", {"n": 1})
    results: Any = await adapter.abatch(
        [PutOp(NOTES, "a", {"n": 2}), GetOp(NOTES, "a"), SearchOp(NOTES), PutOp(NOTES, "a", {"n": 3})]
    )
    assert results[0] is results[3] is None
    assert results[1].value == results[2][0].value == {"n": 1}
    item = await adapter.aget(NOTES, "a")
    assert item
    assert item.value == {"n": 3}


async def test_what_langgraph_refuses_is_refused(adapter: JournalStore) -> None:
    enter_tenant("acme")
    with pytest.raises(InvalidNamespaceError):
        await adapter.aput(("langgraph",), "a", {})
    with pytest.raises(InvalidNamespaceError):
        await adapter.abatch([GetOp(("a.b",), "a")])
    with pytest.raises(InvalidInput, match="not JSON"):
        await adapter.aput(NOTES, "a", {"a": object()})
