"""Search as the engine holds it: collections to ask, an index to fill, and how well both work now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from runtime.errors import HubbubError, InvalidInput
from runtime.extensions.catalog import Catalog
from runtime.ports import Collection
from runtime.search.child import SearchChild
from runtime.search.collection import IndexedCollection
from runtime.search.data import CollectionInfo, IndexProgress, IndexRequest, IndexTotals
from runtime.search.evaluation import Evaluation
from runtime.search.opening import Opening
from runtime.search.queries import QueryEmbedder
from runtime.search.rankings import Parts
from runtime.search.reader import IndexReader
from runtime.search.reranking import Reranker
from runtime.settings import Settings
from runtime.telemetry import Telemetry, get_logger
from runtime.types import Health

if TYPE_CHECKING:
    from runtime.ports import Vectors

MAX_NAME = 200

log = get_logger("hubbub.search")


class Search:
    """All collections of a workspace.  The index is in `[storage] path`; nothing else may write it."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog], telemetry: Telemetry) -> None:
        self._settings, self._catalog = settings, catalog
        self._queries = QueryEmbedder(settings, catalog, telemetry)
        self._reader = IndexReader(settings.var / "search.db")
        self._child = SearchChild(settings.workspace, settings.var, self._overrides)
        self._reranker = Reranker(settings, catalog, telemetry)
        self._opening = Opening(self._child)
        self._parts = Parts(
            reader=self._reader,
            child=self._child,
            opening=self._opening,
            queries=self._queries,
            reranker=self._reranker,
            telemetry=telemetry,
            weight=settings.search.weight,
        )
        self._warming: asyncio.Task[None] | None = None

    @property
    def mode(self) -> Literal["hybrid", "keyword"]:
        """How it searches: "hybrid" where an embedder can be used, else "keyword"."""
        return "keyword" if self._queries.missing() else "hybrid"

    @property
    def space(self) -> str:
        """What vectors must share to be compared; "" while there is no embedder."""
        return "" if self._queries.missing() else self._queries.space

    async def open(self) -> None:
        """Say which mode it is, and get ready for the first search in the background."""
        if missing := self._queries.missing():
            log.warning("searching by keyword only", reason=missing)
            return
        # Now, in this thread: threads that import it while another package does find it half made.
        import numpy  # noqa: F401

        self._warming = asyncio.create_task(self._warm(), name="search warm-up")

    async def aclose(self) -> None:
        """Stop the search process and close the index."""
        if self._warming is not None:
            self._warming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._warming
        await self._opening.aclose()
        await self._child.aclose()
        await self._reader.aclose()

    def collection(self, tenant: str, name: str) -> Collection:
        """Return a tenant's collection (an unknown one is empty)."""
        return IndexedCollection(self._parts, tenant, name)

    def evaluation(self, tenant: str, name: str) -> Evaluation:
        """Return what measures a tenant's collection on labelled queries."""
        return Evaluation(self._parts, tenant, name)

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Embed in the hub, off the loop: for queries.  Shape (len(texts), size); None without a model."""
        return await self._queries.embed(texts)

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """List a tenant's collections by name."""

        def work(connection: sqlite3.Connection) -> list[CollectionInfo]:
            rows = connection.execute(
                "SELECT c.name, (SELECT count(*) FROM documents WHERE collection = c.id), count(p.id),"
                " coalesce(sum(p.vector_stored), 0) FROM collections c"
                " LEFT JOIN passages p ON p.collection = c.id WHERE c.tenant = ?"
                " GROUP BY c.id ORDER BY c.name",
                (tenant,),
            )
            return [CollectionInfo(*row) for row in rows]

        return await self._reader.read(work, [])

    async def index(self, request: IndexRequest) -> AsyncIterator[IndexProgress]:
        """Bring a collection up to date with files and folders, telling how far it is.

        The last progress has phase "done" and the totals.  Leaving the iterator stops the work; it
        goes on from there when asked again.  StorageError when the search process dies.
        """
        if not request.collection.strip() or len(request.collection) > MAX_NAME:
            raise InvalidInput(f"A collection's name has 1 to {MAX_NAME} characters; choose another.")
        if not request.paths:
            raise InvalidInput("There is nothing to index; name a file or a folder.")
        usable = not self._queries.missing()
        folder = self._queries.folder
        answers = self._child.stream(
            "index",
            tenant=request.tenant,
            collection=request.collection,
            paths=[os.fsencode(path) for path in request.paths],
            prune=request.prune,
            embedder=self._queries.name if usable else "",
            space=self._queries.space,
            model=str(folder) if folder else "",
        )
        async with contextlib.aclosing(answers):
            async for kind, value in answers:
                if kind == "progress":
                    yield msgspec.convert(value, IndexProgress)
                else:
                    yield IndexProgress("done", totals=msgspec.convert(value, IndexTotals))

    def health(self) -> Health:
        """Say how it searches now; not ok while the search process keeps dying."""
        if trouble := self._child.trouble:
            return Health(ok=False, detail=trouble)
        if missing := self._queries.missing():
            return Health(ok=True, detail=f"keyword mode (degraded): {missing}")
        reranker = "" if self._reranker.missing() else f", reranker {self._reranker.name}"
        return Health(ok=True, detail=f"hybrid mode, embedder {self._queries.name}{reranker}")

    def _overrides(self) -> Mapping[str, Any]:
        """What the search process's settings share with ours; it loads the embedder's plugin alone."""
        found = self._catalog().get("embedder", self._queries.name)
        owner = found.plugin.name if found else ""
        others = [plugin.name for plugin in self._catalog().plugins if plugin.name != owner]
        return {
            "storage.path": str(self._settings.var),
            "search.embedder": self._queries.name,
            "plugins.folder": str(self._settings.plugins.folder),
            "plugins.disabled": others,
        }

    async def _warm(self) -> None:
        """Load the model and open Chroma where there are vectors, so that the first search need not wait."""
        try:
            vectors = await self._reader.read(
                lambda db: db.execute("SELECT 1 FROM passages WHERE vector_stored LIMIT 1").fetchone(), None
            )
            await self._reranker.load()
            if vectors:
                await self._queries.load()
                await self._opening.wait()
        except HubbubError as error:
            log.warning("search is not ready", reason=str(error))
