"""One collection as retrievers see it: by keyword, by meaning, by both, and its passages whole."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.errors import InvalidInput, PluginError, StorageError
from runtime.search.child import SearchChild
from runtime.search.filters import Condition, read_filter
from runtime.search.fusion import best_parts, fuse
from runtime.search.keyword import MAX_QUERY, search_keywords
from runtime.search.queries import QueryEmbedder
from runtime.search.reader import IndexReader
from runtime.search.rows import Row, cut_sentences, make_hit, make_source, read_rows
from runtime.search.schema import vector_collection
from runtime.telemetry import Telemetry, get_logger
from runtime.types import Hits, JsonObject, Passage

if TYPE_CHECKING:
    from runtime.ports import Vectors

CANDIDATES = 100
"""Passages each side brings to the fusion, at least."""
MAX_HITS = 1_000
QUERY_TIMEOUT = 15.0
ENOUGH = 0.9
"""The share of passages that must have vectors before they have a say: few vectors rank badly."""

Ranked = list[tuple[Row, float]]

log = get_logger("hubbub.search")


@dataclass(frozen=True, slots=True)
class Parts:
    """What collections share."""

    reader: IndexReader
    child: SearchChild
    queries: QueryEmbedder
    telemetry: Telemetry
    weight: float


@dataclass(frozen=True, slots=True)
class _State:
    """A collection at this moment: `ready` when it can be searched by meaning, `whole` when all of it can."""

    id: int
    ready: bool
    whole: bool


NOWHERE = _State(0, ready=False, whole=False)


class IndexedCollection:
    """The `Collection` of ports.py.  An unknown one is empty."""

    def __init__(self, parts: Parts, tenant: str, name: str) -> None:
        self._parts, self._tenant, self.name = parts, tenant, name

    async def keyword(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` passages by BM25, of a split record only the best part."""
        started = time.perf_counter()
        ranked = await self._keyword(query, _count(k), filter)
        return self._hits([(row, score, {"keyword": score}) for row, score in ranked[:k]], "keyword", started)

    async def dense(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` by cosine; nothing, `degraded`, while there are no vectors or no model."""
        started = time.perf_counter()
        state, ranked = await self._dense(query, _count(k), filter)
        hits = [(row, score, {"dense": score}) for row, score in ranked[:k]]
        return self._hits(hits, "dense", started, degraded=not state.whole)

    async def hybrid(
        self, query: str, k: int, filter: JsonObject | None = None, weight: float | None = None
    ) -> Hits:
        """Fuse both; the keyword hits alone, `degraded`, where it cannot be searched by meaning."""
        started = time.perf_counter()
        count = max(_count(k), CANDIDATES)
        share = self._parts.weight if weight is None else weight
        if not 0 <= share <= 1:
            raise InvalidInput(f"The weight of hybrid search is {share}; choose one between 0 and 1.")
        keyword, (state, dense) = await asyncio.gather(
            self._keyword(query, count, filter), self._dense_if_possible(query, count, filter)
        )
        if not state.ready:
            only = [(row, score, {"keyword": score}) for row, score in keyword[:k]]
            return self._hits(only, "keyword", started, degraded=True)
        return self._hits(fuse(dense, keyword, share)[:k], "hybrid", started, degraded=not state.whole)

    async def passages(self, ids: Sequence[str]) -> Sequence[Passage]:
        """Return the stored passages of these hit ids, in their order; unknown ids are left out."""
        size = int(self._parts.queries.space.rpartition(":")[2])
        return await self._parts.reader.read(
            lambda connection: _read_passages(connection, self._tenant, self.name, list(ids), size), []
        )

    async def _keyword(self, query: str, count: int, filter: JsonObject | None) -> Ranked:
        clean = _clean(query)

        def work(connection: sqlite3.Connection) -> Ranked:
            collection = self._state(connection).id
            condition = read_filter(collection, filter)
            if not collection:
                return []
            # A record in several parts takes several places: ask for more than will be shown.
            return best_parts(search_keywords(connection, collection, clean, 2 * count, condition))[:count]

        return await self._parts.reader.read(work, [])

    async def _dense_if_possible(
        self, query: str, count: int, filter: JsonObject | None
    ) -> tuple[_State, Ranked]:
        """Search by meaning; trouble with the embedder or the vectors leaves the keyword hits standing."""
        try:
            return await self._dense(query, count, filter)
        except (StorageError, PluginError) as error:
            log.warning("searching by keyword only", collection=self.name, reason=str(error))
            return NOWHERE, []

    async def _dense(self, query: str, count: int, filter: JsonObject | None) -> tuple[_State, Ranked]:
        def prepare(connection: sqlite3.Connection) -> tuple[_State, list[str] | None]:
            state = self._state(connection)
            condition = read_filter(state.id, filter)
            return state, _keys(connection, condition) if state.id and state.ready else None

        nothing: tuple[_State, list[str] | None] = (self._unknown(), None)
        state, keys = await self._parts.reader.read(prepare, nothing)
        clean = _clean(query)
        if not state.id or not state.ready or not clean.strip() or keys == []:
            return state, []
        vectors: Vectors | None = await self._parts.queries.embed([clean])
        if vectors is None:
            return NOWHERE, []
        nearest = await self._parts.child.ask(
            "query",
            seconds=QUERY_TIMEOUT,
            name=vector_collection(self._tenant, self.name, self._parts.queries.space),
            vector=vectors[0].tobytes(),
            count=2 * count,
            keys=keys,
        )
        found: dict[str, Row] = {}
        rows = await self._parts.reader.read(
            lambda connection: read_rows(connection, state.id, "key", [key for key, _ in nearest]), found
        )
        return state, best_parts([(rows[key], score) for key, score in nearest if key in rows])[:count]

    def _unknown(self) -> _State:
        """Nothing is not degraded: where a model is, an empty collection is searched in full."""
        usable = not self._parts.queries.missing()
        return _State(0, ready=usable, whole=usable)

    def _state(self, connection: sqlite3.Connection) -> _State:
        row = connection.execute(
            "SELECT id, embedder FROM collections WHERE tenant = ? AND name = ?", (self._tenant, self.name)
        ).fetchone()
        if row is None:
            return self._unknown()
        if row[1] != self._parts.queries.space or self._parts.queries.missing():
            return _State(row[0], ready=False, whole=False)
        pending = connection.execute(
            "SELECT 1 FROM passages WHERE collection = ? AND vector_stored = 0 LIMIT 1", (row[0],)
        ).fetchone()
        if pending is None:
            return _State(row[0], ready=True, whole=True)
        total, stored = connection.execute(
            "SELECT count(*), sum(vector_stored) FROM passages WHERE collection = ?", (row[0],)
        ).fetchone()
        return _State(row[0], ready=stored >= ENOUGH * total, whole=False)

    def _hits(
        self,
        found: Sequence[tuple[Row, float, dict[str, float]]],
        mode: str,
        started: float,
        *,
        degraded: bool = False,
    ) -> Hits:
        self._parts.telemetry.metrics.retrieval(mode, time.perf_counter() - started)
        return Hits(
            [
                make_hit(row, self.name, score, scores, mode, degraded=degraded)
                for row, score, scores in found
            ],
            mode=mode,
            degraded=degraded,
        )


def _count(k: int) -> int:
    if not 1 <= k <= MAX_HITS:
        raise InvalidInput(f"{k} hits cannot be returned; ask for 1 to {MAX_HITS}.")
    return k


def _clean(query: str) -> str:
    """Cut what is too long, and drop what is no text (half surrogates)."""
    return query[:MAX_QUERY].encode(errors="ignore").decode()


def _keys(connection: sqlite3.Connection, condition: Condition) -> list[str] | None:
    """Return the keys a filter leaves; None when there is no filter."""
    if not condition.sql:
        return None
    rows = connection.execute(
        f"SELECT key FROM passages WHERE vector_stored = 1 AND id IN ({condition.sql})",  # noqa: S608
        condition.values,
    )
    return [key for (key,) in rows]


def _read_passages(
    connection: sqlite3.Connection, tenant: str, collection: str, ids: Sequence[str], size: int
) -> list[Passage]:
    found = connection.execute(
        "SELECT id FROM collections WHERE tenant = ? AND name = ?", (tenant, collection)
    ).fetchone()
    if found is None:
        return []
    rows = read_rows(connection, found[0], "key", ids)
    return [_read_passage(connection, rows[key], collection, size) for key in ids if key in rows]


def _read_passage(connection: sqlite3.Connection, row: Row, collection: str, size: int) -> Passage:
    spans, blob = connection.execute(
        "SELECT p.spans, v.vectors FROM passages p LEFT JOIN sentence_vectors v"
        " ON v.passage = p.id AND p.sentences_stored = 1 WHERE p.id = ?",
        (row.id,),
    ).fetchone()
    sentences = cut_sentences(row.text, spans)
    vectors: Any = None
    if blob is not None and len(blob) == 2 * len(sentences) * size:
        import numpy as np

        vectors = np.frombuffer(blob, dtype=np.float16).reshape(len(sentences), size).astype(np.float32)
    return Passage(row.key, row.text, make_source(row, collection), sentences, vectors)
