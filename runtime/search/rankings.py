"""The two rankings of a collection, by keyword and by meaning, before they are brought together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.errors import PluginError, StorageError
from runtime.search.child import SearchChild
from runtime.search.counts import Counts
from runtime.search.filters import Condition, read_filter
from runtime.search.fusion import Scored, best_parts
from runtime.search.keyword import MAX_QUERY, search_keywords
from runtime.search.opening import Opening
from runtime.search.queries import QueryEmbedder
from runtime.search.reader import IndexReader
from runtime.search.reranking import DEADLINE, Reranker, reordered
from runtime.search.rows import Place, read_places, read_rows, titled
from runtime.search.schema import vector_collection
from runtime.search.spelling import Spelling
from runtime.telemetry import Telemetry, get_logger
from runtime.types import JsonObject

QUERY_TIMEOUT = 15.0
ENOUGH = 0.9
"""The share of passages that must have vectors before they have a say: few vectors rank badly."""

Ranked = list[tuple[Place, float]]

log = get_logger("hubbub.search")


@dataclass(frozen=True, slots=True)
class Parts:
    """What collections share."""

    reader: IndexReader
    child: SearchChild
    opening: Opening
    queries: QueryEmbedder
    reranker: Reranker
    telemetry: Telemetry
    weight: float
    counts: Counts = field(default_factory=Counts)
    spelling: Spelling = field(default_factory=Spelling)


@dataclass(frozen=True, slots=True)
class State:
    """A collection at this moment: `ready` when it can be searched by meaning.

    `why` says why not all of it can be, in words that end a sentence; "" when all of it can.
    """

    id: int
    ready: bool
    why: str = ""


class Rankings:
    """Ranks the passages of one tenant's collection; an unknown one has none."""

    def __init__(self, parts: Parts, tenant: str, name: str) -> None:
        self._parts, self._tenant, self._name = parts, tenant, name

    @property
    def vectors(self) -> str:
        """The name of its vectors in Chroma."""
        return vector_collection(self._tenant, self._name, self._parts.queries.space)

    async def both(self, query: str, count: int, filter: JsonObject | None) -> tuple[State, Ranked, Ranked]:
        """Return how it can be searched, and what was found by meaning and by keyword."""
        keyword, (state, dense) = await asyncio.gather(
            self.keyword(query, count, filter), self._dense_if_possible(query, count, filter)
        )
        return state, dense, keyword

    async def keyword(self, query: str, count: int, filter: JsonObject | None) -> Ranked:
        """Return the best `count` by BM25, of a split record only the best part."""
        clean = clean_query(query)

        def work(connection: sqlite3.Connection) -> Ranked:
            collection = self.state(connection).id
            condition = read_filter(collection, filter)
            if not collection:
                return []
            # A record in several parts takes several places: ask for more than will be shown.
            found = search_keywords(connection, collection, clean, 2 * count, condition, self._parts.counts)
            return best_parts(found)[:count]

        return await self._parts.reader.read(work, [])

    async def dense(self, query: str, count: int, filter: JsonObject | None) -> tuple[State, Ranked]:
        """Return the best `count` by cosine; none where it is not `ready`."""

        def prepare(connection: sqlite3.Connection) -> tuple[State, Condition]:
            state = self.state(connection)
            return state, read_filter(state.id, filter)

        nothing = (self._unknown(), Condition())
        state, condition = await self._parts.reader.read(prepare, nothing)
        clean = clean_query(query)
        if not state.id or not state.ready or not clean.strip():
            return state, []
        vectors, keys = await asyncio.gather(self._parts.queries.embed([clean]), self._keys(condition))
        if vectors is None:
            return self._unready(0), []
        if keys == []:
            return state, []
        await self._parts.opening.wait()
        nearest = await self._parts.child.ask(
            "query",
            seconds=QUERY_TIMEOUT,
            name=self.vectors,
            vector=vectors[0].tobytes(),
            count=2 * count,
            keys=keys,
        )
        found: dict[str, Place] = {}
        places = await self._parts.reader.read(
            lambda connection: read_places(connection, state.id, "key", [key for key, _ in nearest]), found
        )
        return state, best_parts([(places[key], score) for key, score in nearest if key in places])[:count]

    async def rerank(self, query: str, ranked: Sequence[Scored], seconds: float = DEADLINE) -> list[Scored]:
        """Return these hits in the order of the cross-encoder; PluginError where it cannot be asked."""

        def work(connection: sqlite3.Connection) -> list[tuple[Scored, str]]:
            ids = [found.place.id for found in ranked]
            rows = read_rows(connection, self.state(connection).id, "id", ids)
            pairs = [(found, rows[found.place.id]) for found in ranked if found.place.id in rows]
            return [(found, titled(row.title, row.text)) for found, row in pairs]

        nothing: list[tuple[Scored, str]] = []
        read = await self._parts.reader.read(work, nothing)
        scores = await self._parts.reranker.scores(clean_query(query), [text for _, text in read], seconds)
        return reordered([found for found, _ in read], scores)

    async def _dense_if_possible(
        self, query: str, count: int, filter: JsonObject | None
    ) -> tuple[State, Ranked]:
        """Search by meaning; trouble with the embedder or the vectors leaves the keyword hits standing."""
        try:
            return await self.dense(query, count, filter)
        except (StorageError, PluginError) as error:
            log.warning("searching by keyword only", collection=self._name, reason=str(error))
            return State(0, ready=False, why=str(error)), []

    async def _keys(self, condition: Condition) -> list[str] | None:
        """Return the keys a filter leaves; None when there is no filter."""
        if not condition.sql:
            return None
        query = f"SELECT key FROM passages WHERE vector_stored = 1 AND id IN ({condition.sql})"  # noqa: S608
        none: list[str] = []
        return await self._parts.reader.read(
            lambda connection: [key for (key,) in connection.execute(query, condition.values)], none
        )

    def state(self, connection: sqlite3.Connection) -> State:
        """Look up the collection, and how many of its vectors there are."""
        row = connection.execute(
            "SELECT id, embedder FROM collections WHERE tenant = ? AND name = ?", (self._tenant, self._name)
        ).fetchone()
        if row is None:
            return self._unknown()
        if row[1] != self._parts.queries.space or self._parts.queries.missing():
            return self._unready(row[0])
        pending = connection.execute(
            "SELECT 1 FROM passages WHERE collection = ? AND vector_stored = 0 LIMIT 1", (row[0],)
        ).fetchone()
        if pending is None:
            return State(row[0], ready=True)
        total, stored = connection.execute(
            "SELECT count(*), sum(vector_stored) FROM passages WHERE collection = ?", (row[0],)
        ).fetchone()
        why = f"{total - stored} of {total} passages have no vectors yet; run `hubbub index` to its end"
        return State(row[0], ready=stored >= ENOUGH * total, why=why)

    def _unready(self, collection: int) -> State:
        without = "its passages have no vectors of this model yet; run `hubbub index` to its end"
        return State(collection, ready=False, why=self._parts.queries.missing() or without)

    def _unknown(self) -> State:
        """Nothing is not degraded: where a model is, an empty collection is searched in full."""
        missing = self._parts.queries.missing()
        return State(0, ready=not missing, why=missing)


def clean_query(query: str) -> str:
    """Cut what is too long, and drop what is no text (half surrogates)."""
    return query[:MAX_QUERY].encode(errors="ignore").decode()
