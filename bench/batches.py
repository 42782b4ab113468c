"""A batch of trivial rows: how many a second, and what a large one leaves in the hub's memory."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.hub import Hub

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Done:
    """Rows a second of a batch, and by how many MiB the hub has grown."""

    rate: float
    mib: float


async def rows(hub: Hub, count: int) -> Done:
    """Take `count` rows through the graph `trivial`, 16 at once."""
    before = hub.memory()
    async with aiohttp.ClientSession(hub.url) as session:
        id = (await _ask(session, "POST", "/batches", {"graph": "trivial", "concurrency": 16}))["id"]
        for first in range(1, count + 1, _AT_ONCE):
            page = [{"input": {"name": "you"}}] * min(_AT_ONCE, count + 1 - first)
            await _ask(session, "POST", f"/batches/{id}/rows", {"first": first, "rows": page})
        started = time.perf_counter()
        found = await _ask(session, "POST", f"/batches/{id}/resume", {})
        while found["status"] == "running":
            await asyncio.sleep(0.1)
            found = await _ask(session, "GET", f"/batches/{id}", None)
        seconds = time.perf_counter() - started
        assert found["done"] == count, found
    return Done(count / seconds, (hub.memory() - before) / 1024)


async def _ask(session: aiohttp.ClientSession, method: str, path: str, body: Any) -> Any:
    async with session.request(method, path, json=body) as answer:
        return await answer.json()
