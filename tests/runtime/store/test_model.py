"""Whatever is put, deleted and asked, the store answers as LangGraph's InMemoryStore does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from runtime.journal.items import JournalItems
from runtime.journal.sqlite import SqliteJournal
from runtime.store.requests import ItemQuery, NamespaceQuery, Put
from runtime.store.store import Store

LABELS = st.sampled_from(["a", "ab", "b", "é"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k", "l", "m"])
VALUES = st.fixed_dictionaries({"n": st.integers(0, 4)}, optional={"kind": st.sampled_from(["x", "y"])})
CHANGES = st.lists(st.tuples(NAMESPACES, KEYS, st.none() | VALUES), max_size=25)
FILTERS = st.sampled_from(
    [
        None,
        {"n": 2},
        {"n": {"$gte": 1, "$lt": 4}},
        {"kind": {"$ne": "x"}},
        {"kind": "y", "n": {"$gt": 0}},
        {"z": 1},
    ]
)
PREFIXES = st.lists(LABELS, max_size=2).map(tuple)


class _NoModel:
    space = ""

    async def embed(self, texts: Any) -> None:
        return None


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Store]]:
    """One journal for all examples: each is a tenant of its own."""
    path: Path = tmp_path_factory.mktemp("model") / "hubbub.db"
    with asyncio.Runner() as runner:
        journal = SqliteJournal(path, durability="normal")
        runner.run(journal.open())
        yield runner, Store(JournalItems(journal), _NoModel())
        runner.run(journal.aclose())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(CHANGES, PREFIXES, FILTERS, st.integers(1, 4))
def test_the_same_items_are_found_page_by_page(
    opened: tuple[asyncio.Runner, Store], changes: Any, prefix: Any, filter: Any, size: int
) -> None:
    runner, store = opened
    tenant, model = uuid.uuid4().hex, InMemoryStore()

    async def play() -> list[Any]:
        for namespace, key, value in changes:
            await store.put(tenant, [Put(namespace, key, value, index=False)])
        found: list[Any] = []
        while page := (
            await store.search(tenant, ItemQuery(prefix, filter=filter, limit=size, offset=len(found)))
        ).items:
            assert len(page) <= size
            found += [(item.namespace, item.key, item.value) for item, _ in page]
        return found

    for namespace, key, value in changes:
        model.put(namespace, key, value) if value is not None else model.delete(namespace, key)
    found = runner.run(play())
    expected = [
        (item.namespace, item.key, item.value) for item in model.search(prefix, filter=filter, limit=1000)
    ]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    for namespace, key, _ in changes:
        one, other = runner.run(store.get(tenant, namespace, key)), model.get(namespace, key)
        assert (one and one.value) == (other and other.value)
    there = {item.namespace for item in model.search((), limit=1000)}
    assert runner.run(store.namespaces(tenant, NamespaceQuery(limit=1000))) == sorted(there)
