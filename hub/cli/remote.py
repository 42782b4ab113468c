"""The desk of a running hub, reached over its admin routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from hub.cli.workspace import Door, Task
from runtime.errors import CannotStart, HubbubError, NotFound
from runtime.records import KeyLimits

_NOT_FOUND = 404
_REFUSED = 400


@asynccontextmanager
async def open_remote(door: Door) -> AsyncIterator[Remote]:
    """Connect; CannotStart when the hub is gone before it answered."""
    limits = aiohttp.ClientTimeout(total=None, connect=10)
    try:
        async with aiohttp.ClientSession(headers=door.headers, timeout=limits) as session:
            yield Remote(session, door.url)
    except aiohttp.ClientError as error:
        raise CannotStart(
            f"The hub at {door.url} stopped answering ({error}); see its log, then try again."
        ) from error


class Remote:
    """`workspace.Desk` in a hub elsewhere on this machine."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def index(self, paths: Sequence[Path], collection: str) -> AsyncIterator[Mapping[str, Any]]:
        """Index files and folders of this machine in the hub."""
        body = {"paths": [str(path) for path in paths], "collection": collection}
        async for line in self._stream("/admin/index", body):
            yield line

    async def measure(
        self, task: Task, queries: Path, qrels: Path, collection: str, rerank: int = 0
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Measure search in the hub, which reads the files of this machine."""
        body = {
            "queries": str(queries),
            "qrels": str(qrels),
            "collection": collection,
            "rerank": rerank,
        }
        async for line in self._stream(f"/admin/search/{task}", body):
            yield line

    async def new_key(self, name: str, tenant: str, limits: KeyLimits) -> Mapping[str, Any]:
        """Make an API key in the hub."""
        return await self._ask("POST", "/admin/keys", {"name": name, "tenant": tenant, **asdict(limits)})

    async def revoke_key(self, id: str) -> None:
        """Revoke an API key in the hub; it is refused from then on."""
        await self._ask("DELETE", f"/admin/keys/{quote(id, safe='')}")

    async def rebuild_views(self) -> Mapping[str, Any]:
        """Fold the whole log into the views anew, in the hub."""
        return await self._ask("POST", "/admin/views/rebuild")

    async def fit(self, tenant: str) -> Mapping[str, Any]:
        """Fit a tenant's recommendations, in a process of the hub."""
        return await self._ask("POST", "/admin/recommend/fit", {"tenant": tenant})

    async def publish(self, graph: str, percent: int) -> Mapping[str, Any]:
        """Publish what is written of a graph, in the hub."""
        return await self._ask("POST", f"/admin/graphs/{quote(graph, safe='')}/publish", {"percent": percent})

    async def rollback(self, graph: str) -> Mapping[str, Any]:
        """Take a publication back, in the hub."""
        return await self._ask("POST", f"/admin/graphs/{quote(graph, safe='')}/rollback")

    async def plugins(self) -> list[dict[str, Any]]:
        """Return the plugins as they are in the hub."""
        async with self._session.get(f"{self._url}/admin/plugins") as answer:
            await _refuse(answer)
            rows: list[dict[str, Any]] = await answer.json()
            return rows

    async def schemas(self, graph: str) -> Mapping[str, Any]:
        """Return the JSON Schemas of a graph's input, output and state."""
        return await self._ask("GET", f"/assistants/{quote(graph, safe='')}/schemas")

    async def state(self, thread: str) -> Mapping[str, Any]:
        """Return a thread's state, with what it waits for."""
        return await self._ask("GET", f"/threads/{quote(thread, safe='')}/state")

    async def make_batch(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a batch that waits for its rows, or find the one of the same file."""
        return await self._ask("POST", "/batches", body)

    async def add_rows(self, batch: str, first: int, rows: bytes) -> Mapping[str, Any]:
        """Add rows to a batch: JSON objects between commas, the number of the first of them `first`."""
        body = b'{"first":%d,"rows":[%b]}' % (first, rows)
        async with self._session.post(f"{self._url}/batches/{batch}/rows", data=body) as answer:
            await _refuse(answer)
            found: Mapping[str, Any] = await answer.json()
            return found

    async def resume_batch(self, batch: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin with a batch, or go on with it."""
        return await self._ask("POST", f"/batches/{batch}/resume", changes)

    async def pause_batch(self, batch: str) -> Mapping[str, Any]:
        """Let no further row begin."""
        return await self._ask("POST", f"/batches/{batch}/pause")

    async def delete_batch(self, batch: str) -> None:
        """Delete a batch that was not begun."""
        async with self._session.delete(f"{self._url}/batches/{batch}") as answer:
            await _refuse(answer)

    async def batch(self, batch: str) -> Mapping[str, Any]:
        """Return a batch as it is now."""
        return await self._ask("GET", f"/batches/{batch}")

    async def batch_results(self, batch: str) -> AsyncIterator[list[bytes]]:
        """Yield what becomes of the rows, in order, as lines of JSON, until nobody works on it any more."""
        async with self._session.get(f"{self._url}/batches/{batch}/results?follow=true") as answer:
            await _refuse(answer)
            rest = b""
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                if whole := [line + b"\n" for line in lines if line]:
                    yield whole

    async def _stream(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        async with self._session.post(f"{self._url}{path}", json=body) as answer:
            await _refuse(answer)
            async for line in _lines(answer.content):
                if failure := line.get("error"):
                    raise HubbubError(failure["message"])
                yield line

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        async with self._session.request(method, f"{self._url}{path}", json=body) as answer:
            await _refuse(answer)
            value: Mapping[str, Any] = await answer.json()
            return value


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON objects of a stream, one a line; a line may be of any length."""
    rest = b""
    async for piece in content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield orjson.loads(line)


async def _refuse(answer: aiohttp.ClientResponse) -> None:
    """Raise what the hub says when it refuses."""
    if answer.status < _REFUSED:
        return
    try:
        said = orjson.loads(await answer.read())
        sentence = said["error"]["message"] if "error" in said else said["detail"]
    except (ValueError, KeyError, TypeError):
        sentence = f"The hub answered {answer.status} {answer.reason}; see its log."
    raise (NotFound if answer.status == _NOT_FOUND else HubbubError)(sentence)
