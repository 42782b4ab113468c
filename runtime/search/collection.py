"""One collection as retrievers see it: searched by keyword, by meaning or by both, and its passages whole."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from runtime.errors import InvalidInput, PluginError
from runtime.search.facets import check_facets, count_facets
from runtime.search.filters import read_filter
from runtime.search.fusion import Scored, alone, fuse
from runtime.search.highlights import find_highlights
from runtime.search.rankings import Parts, Rankings, clean_query
from runtime.search.reranking import MAX_RERANKED
from runtime.search.rows import Row, cut_sentences, make_source, read_rows
from runtime.search.variety import alike_by_words, vary
from runtime.telemetry import get_logger
from runtime.types import Hit, Hits, JsonObject, Passage, SearchQuery

CANDIDATES = 100
"""Passages each side brings to the fusion, at least."""
VARIED = 50
"""Hits that are looked at for variety, at least."""
MAX_HITS = 1_000

log = get_logger("hubbub.search")


class IndexedCollection:
    """The `Collection` of ports.py.  An unknown one is empty."""

    def __init__(self, parts: Parts, tenant: str, name: str) -> None:
        self._parts, self._tenant, self.name = parts, tenant, name
        self.rankings = Rankings(parts, tenant, name)

    async def keyword(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` passages by BM25, of a split record only the best part."""
        return await self.search(SearchQuery(query, k, "keyword", filter))

    async def dense(self, query: str, k: int, filter: JsonObject | None = None) -> Hits:
        """Return the best `k` by cosine; nothing, `degraded`, while there are no vectors or no model."""
        return await self.search(SearchQuery(query, k, "dense", filter))

    async def hybrid(
        self, query: str, k: int, filter: JsonObject | None = None, weight: float | None = None
    ) -> Hits:
        """Fuse both; the keyword hits alone, `degraded`, where it cannot be searched by meaning."""
        return await self.search(SearchQuery(query, k, "hybrid", filter, weight))

    async def search(self, query: SearchQuery) -> Hits:
        """Rank, choose, and say of what was chosen all that was asked for."""
        started = time.perf_counter()
        _check(query)
        ranked, mode, why = await self._rank(query)
        notes = [why]
        if query.rerank and ranked:
            ranked, why = await self._read_again(ranked, query)
            notes.append(why)
        chosen = await self._vary(ranked, query) if query.mmr else ranked[: query.k]
        note = " ".join(_sentence(why) for why in notes if why)
        empty = Hits(mode=mode, degraded=bool(note), facets={name: [] for name in query.facets}, note=note)
        hits = await self._parts.reader.read(
            lambda connection: self._describe(connection, query, chosen, empty), empty
        )
        self._parts.telemetry.metrics.retrieval(mode, time.perf_counter() - started)
        return hits

    async def passages(self, ids: Sequence[str]) -> Sequence[Passage]:
        """Return the stored passages of these hit ids, in their order; unknown ids are left out."""
        size = int(self._parts.queries.space.rpartition(":")[2])

        def work(connection: sqlite3.Connection) -> list[Passage]:
            rows = read_rows(connection, self.rankings.state(connection).id, "key", ids)
            return [_read_passage(connection, rows[key], self.name, size) for key in ids if key in rows]

        return await self._parts.reader.read(work, [])

    async def _rank(self, query: SearchQuery) -> tuple[list[Scored], str, str]:
        """Return all that was found, best first, how it was found, and why not in a better way."""
        count = max(query.k, query.rerank)
        if query.mode == "keyword":
            keyword = await self.rankings.keyword(query.text, count, query.filter)
            return alone("keyword", keyword), "keyword", ""
        if query.mode == "dense":
            state, dense = await self.rankings.dense(query.text, count, query.filter)
            return alone("dense", dense), "dense", state.why
        count = max(count, CANDIDATES)
        state, dense, keyword = await self.rankings.both(query.text, count, query.filter)
        if not state.ready:
            return alone("keyword", keyword), "keyword", state.why
        share = self._parts.weight if query.weight is None else query.weight
        return fuse(dense, keyword, share), "hybrid", state.why

    async def _read_again(self, ranked: list[Scored], query: SearchQuery) -> tuple[list[Scored], str]:
        """Order the best anew by the cross-encoder; without one all stay as they are, and why."""
        try:
            return await self.rankings.rerank(query.text, ranked[: max(query.rerank, query.k)]), ""
        except PluginError as error:
            log.warning("hits are not read again", collection=self.name, reason=str(error))
            return ranked, str(error)

    async def _vary(self, ranked: Sequence[Scored], query: SearchQuery) -> list[Scored]:
        """Choose from the best so that the hits differ from each other."""
        candidates = ranked[: max(VARIED, 2 * query.k)]
        ids = [found.place.id for found in candidates]

        def work(connection: sqlite3.Connection) -> list[Scored]:
            rows = read_rows(connection, self.rankings.state(connection).id, "id", ids)
            alike = alike_by_words([rows[id].text if id in rows else "" for id in ids])
            scores = [found.score for found in candidates]
            return [candidates[at] for at in vary(scores, alike, query.mmr, query.k)]

        return await self._parts.reader.read(work, [])

    def _describe(
        self, connection: sqlite3.Connection, query: SearchQuery, chosen: Sequence[Scored], empty: Hits
    ) -> Hits:
        """Read what was chosen, and count, mark and correct where the query asks for it."""
        collection, text = self.rankings.state(connection).id, clean_query(query.text)
        if not collection:
            return empty
        condition = read_filter(collection, query.filter)
        rows = read_rows(connection, collection, "id", [found.place.id for found in chosen])
        marked: Mapping[int, Any] = {}
        if query.highlight:
            marked = find_highlights(text, list(rows.values()))
        shown = [found.place.id for found in chosen]
        facets = count_facets(connection, collection, query.facets, text, condition, shown)
        spelling = self._parts.spelling
        return Hits(
            [
                self._hit(rows[found.place.id], found, empty, marked.get(found.place.id, ()))
                for found in chosen
                if found.place.id in rows
            ],
            mode=empty.mode,
            degraded=empty.degraded,
            facets=facets,
            note=empty.note,
            did_you_mean=spelling.suggest(connection, collection, text, condition) if query.suggest else None,
        )

    def _hit(self, row: Row, found: Scored, about: Hits, highlights: Sequence[Mapping[str, Any]]) -> Hit:
        return Hit(
            row.key,
            row.text,
            found.score,
            make_source(row, self.name),
            found.scores,
            orjson.loads(row.metadata),
            about.mode,
            about.degraded,
            highlights,
        )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _check(query: SearchQuery) -> None:
    """Refuse what can never work; InvalidInput."""
    if not 1 <= query.k <= MAX_HITS:
        raise InvalidInput(f"{query.k} hits cannot be returned; ask for 1 to {MAX_HITS}.")
    if query.mode not in ("hybrid", "dense", "keyword"):
        raise InvalidInput(f"There is no search by {query.mode}; choose hybrid, dense or keyword.")
    if query.weight is not None and not 0 <= query.weight <= 1:
        raise InvalidInput(f"The weight of hybrid search is {query.weight}; choose one between 0 and 1.")
    if not 0 <= query.rerank <= MAX_RERANKED or (query.rerank and query.k > MAX_RERANKED):
        raise InvalidInput(f"At most {MAX_RERANKED} hits can be read again; set rerank and top_k to fewer.")
    if not 0 <= query.mmr <= 1:
        raise InvalidInput(f"The variety (mmr) of a search is {query.mmr}; choose one between 0 and 1.")
    check_facets(query.facets)


def _read_passage(connection: sqlite3.Connection, row: Row, collection: str, size: int) -> Passage:
    found = connection.execute(
        "SELECT v.vectors FROM passages p JOIN sentence_vectors v ON v.passage = p.id"
        " WHERE p.id = ? AND p.sentences_stored = 1",
        (row.id,),
    ).fetchone()
    sentences = cut_sentences(row.text, row.spans)
    vectors: Any = None
    if found is not None and len(found[0]) == 2 * len(sentences) * size:
        import numpy as np

        vectors = np.frombuffer(found[0], dtype=np.float16).reshape(len(sentences), size).astype(np.float32)
    return Passage(row.key, row.text, make_source(row, collection), sentences, vectors)
