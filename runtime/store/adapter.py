"""The store as LangGraph knows it, for graphs written in Python: `store=`, `runtime.store`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)

from runtime.errors import HubbubError, InvalidInput, StorageError
from runtime.records import StoredItem
from runtime.store.requests import ItemQuery, NamespaceQuery, Put
from runtime.store.store import Store
from runtime.telemetry import get_logger

PATIENCE = 60.0
"""Seconds that a step which is not async waits for the store: it holds a thread meanwhile."""

_log = get_logger(__name__)

_tenant: ContextVar[str] = ContextVar("tenant of the run")


def enter_tenant(tenant: str) -> None:
    """Let the present task, and what it starts, use the items of this tenant.

    A compiled graph is shared by all tenants, and a client may write what it likes into a run's
    configuration: so the tenant is neither in the graph nor there, but with the run's own task.
    LangGraph hands it on to every step, also to those that it calls in threads.
    """
    _tenant.set(tenant)


class JournalStore(BaseStore):
    """LangGraph's `BaseStore` on a `Store`: one for all graphs, always the items of the run's tenant.

    To be made where the event loop runs.  Its methods that are not async are for steps that are not:
    these run in threads, and wait there for the loop.
    """

    supports_ttl = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out reads as they were before the writes, then all writes in one commit."""
        tenant, several = _present_tenant(), list(ops)
        for op in several:
            validate_op_namespace(op)
        results: list[Result] = [None] * len(several)
        puts: dict[tuple[tuple[str, ...], str], Put] = {}
        for place, op in enumerate(several):
            if isinstance(op, PutOp):
                value = None if op.value is None else dict(op.value)
                puts[op.namespace, op.key] = Put(op.namespace, op.key, value, op.index, op.ttl)
            else:
                results[place] = await self._read(tenant, op)
        if puts:
            await self._store.put(tenant, list(puts.values()))
        return results

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do what `abatch` does, from a step that is not async."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            raise HubbubError(
                "The store was asked on the event loop, where waiting would stop every run; "
                "await its async methods there, as in `await store.aget(…)`."
            )
        answer = asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop)
        try:
            return answer.result(PATIENCE)
        except TimeoutError:
            answer.cancel()
            raise StorageError(f"The store did not answer within {PATIENCE:g} s; try again.") from None

    async def _read(self, tenant: str, op: Op) -> Result:
        if isinstance(op, GetOp):
            found = await self._store.get(tenant, op.namespace, op.key, refresh=op.refresh_ttl)
            return Item(**_fields(found)) if found else None
        if isinstance(op, SearchOp):
            query = ItemQuery(op.namespace_prefix, op.query, op.filter, op.limit, op.offset, op.refresh_ttl)
            answer = await self._store.search(tenant, query)
            if answer.degraded:
                _log.warning("store search degraded", mode=answer.mode)
            return [SearchItem(**_fields(item), score=score) for item, score in answer.items]
        assert isinstance(op, ListNamespacesOp)
        return await self._store.namespaces(tenant, _namespaces(op))


def _present_tenant() -> str:
    tenant = _tenant.get("")
    if not tenant:
        raise HubbubError(
            "The store was asked outside a run, so nobody knows whose items are meant; "
            "ask it in a step, not in a thread of its own."
        )
    return tenant


def _fields(item: StoredItem) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": item.value,
        "created_at": datetime.fromtimestamp(item.created_at, UTC),
        "updated_at": datetime.fromtimestamp(item.updated_at, UTC),
    }


def _namespaces(op: ListNamespacesOp) -> NamespaceQuery:
    paths = {condition.match_type: condition.path for condition in op.match_conditions or ()}
    if len(paths) < len(op.match_conditions or ()):
        raise InvalidInput("Namespaces are listed by one prefix and one suffix; ask once for each.")
    return NamespaceQuery(paths.get("prefix", ()), paths.get("suffix", ()), op.max_depth, op.limit, op.offset)
