"""Measuring search on labelled queries, and choosing the weight of hybrid search by them."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from runtime.errors import InvalidInput
from runtime.search.fusion import Scored, alone, fuse
from runtime.search.labels import Labels
from runtime.search.quality import interval, ndcg, recall, reciprocal_rank
from runtime.search.rankings import Parts, Ranked, Rankings
from runtime.search.reranking import MAX_RERANKED
from runtime.search.rows import Place

DEPTH = 100
WARM_TIMEOUT = 120.0
"""Seconds that opening the vectors may take, before the first query is asked."""
RERANK_TIMEOUT = 120.0
"""Seconds that reading the hits of one query again may take; a search gives up earlier."""
FOLDS = 5
FEWEST = 20
"""Labelled queries below which a weight cannot be chosen."""
WEIGHTS = tuple(step / 20 for step in range(21))


@dataclass(frozen=True, slots=True)
class Measured:
    """How far a measurement is; the last one has the report."""

    done: int
    total: int
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What both sides found for a query, and what somebody judged."""

    query: str
    dense: Ranked
    keyword: Ranked
    grades: Mapping[str, int]
    reranked: Sequence[str] = ()
    """The documents, when the cross-encoder has read the best hits again."""


class Evaluation:
    """Asks a collection all labelled queries, one at a time, and reports."""

    def __init__(self, parts: Parts, tenant: str, name: str) -> None:
        self._parts, self._name = parts, name
        self._rankings = Rankings(parts, tenant, name)
        self._paths: dict[int, str] = {}
        self._missing = ""

    async def evaluate(self, labels: Labels, rerank: int = 0) -> AsyncIterator[Measured]:
        """Report nDCG@10, recall@10 and @100 and MRR of each mode; without a model of keyword alone.

        With `rerank` also of the best mode's hits when the cross-encoder reads so many of them again.
        """
        warnings = [*labels.warnings, *await self._prepare(labels)]
        if rerank:
            await self._check_rerank(rerank)
        found: list[_Found] = []
        async for asked in self._ask(labels):
            each = await self._rerank(asked, rerank) if rerank else asked
            found.append(each)
            yield Measured(len(found), len(labels.queries))
        report = await asyncio.to_thread(self._modes, found, rerank)
        if self._missing:
            warnings.append(f"Only keyword search was measured: {self._missing}.")
        yield Measured(len(found), len(found), {**self._head(labels), "modes": report, "warnings": warnings})

    async def tune(self, labels: Labels) -> AsyncIterator[Measured]:
        """Choose the weight on four fifths of the queries and measure it on the fifth, five times."""
        if len(labels.queries) < FEWEST:
            raise InvalidInput(
                f"{len(labels.queries)} labelled queries are too few to choose a weight; "
                f"label at least {FEWEST}."
            )
        warnings = [*labels.warnings, *await self._prepare(labels)]
        if self._missing:
            raise InvalidInput(f"There is no weight to choose, because {self._missing}.")
        found: list[_Found] = []
        async for each in self._ask(labels):
            found.append(each)
            yield Measured(len(found), len(labels.queries))
        order = sorted(range(len(found)), key=lambda at: hashlib.sha256(str(at).encode()).digest())
        report = await asyncio.to_thread(self._choose, [found[at] for at in order])
        yield Measured(len(found), len(found), {**self._head(labels), **report, "warnings": warnings})

    def _head(self, labels: Labels) -> dict[str, Any]:
        return {"collection": self._name, "queries": len(labels.queries)}

    async def _prepare(self, labels: Labels) -> list[str]:
        """Learn what the collection holds; return what is wrong with the labels, as sentences."""

        def work(connection: sqlite3.Connection) -> tuple[str, dict[int, str], set[str]]:
            state = self._rankings.state(connection)
            paths = dict(
                connection.execute("SELECT id, path FROM documents WHERE collection = ?", (state.id,))
            )
            places = connection.execute(
                "SELECT DISTINCT 0, '', document, record, line FROM passages WHERE collection = ?",
                (state.id,),
            )
            ids = {_source_id(Place(*values), paths) for values in places}
            return "" if state.ready else state.why, paths, ids

        nothing: tuple[str, dict[int, str], set[str]] = ("", {}, set())
        self._missing, self._paths, known = await self._parts.reader.read(work, nothing)
        if not known:
            raise InvalidInput(
                f"The collection {self._name} is empty; fill it with `hubbub index PATH "
                f"--collection {self._name}`."
            )
        if not self._missing:
            await self._parts.opening.wait(WARM_TIMEOUT)
        relevant = {id for grades in labels.judged.values() for id, grade in grades.items() if grade > 0}
        strange = sorted(relevant - known)
        if len(strange) == len(relevant):
            raise InvalidInput(
                f"No relevant document, such as {strange[0]}, is in the collection {self._name}, "
                f"which has {min(known)}; judge by the ids that hits carry."
            )
        if not strange:
            return []
        return [
            f"{len(strange)} relevant documents, such as {strange[0]}, are not in the collection; "
            "they count as not found."
        ]

    async def _ask(self, labels: Labels) -> AsyncIterator[_Found]:
        for query, grades in labels.judged.items():
            keyword = self._rankings.keyword(labels.queries[query], DEPTH, None)
            if self._missing:
                yield _Found(labels.queries[query], [], await keyword, grades)
            else:
                # Not as a search does it: trouble with the model must not be measured as bad hits.
                dense = self._rankings.dense(labels.queries[query], DEPTH, None)
                by_words, (_, by_meaning) = await asyncio.gather(keyword, dense)
                yield _Found(labels.queries[query], by_meaning, by_words, grades)

    async def _check_rerank(self, count: int) -> None:
        """Refuse what would measure nothing; InvalidInput."""
        if not 0 < count <= MAX_RERANKED:
            raise InvalidInput(f"{count} hits cannot be read again; choose 1 to {MAX_RERANKED}.")
        await self._parts.reranker.load()
        if missing := self._parts.reranker.missing():
            raise InvalidInput(f"Hits cannot be read again: {missing}.")

    async def _rerank(self, found: _Found, count: int) -> _Found:
        """Read the best again; those behind them keep their places."""
        ranked = self._fuse(found)
        again = await self._rankings.rerank(found.query, ranked[:count], RERANK_TIMEOUT)
        return replace(found, reranked=self._documents([*again, *ranked[count:]]))

    def _modes(self, found: Sequence[_Found], rerank: int) -> dict[str, Any]:
        modes: dict[str, list[Sequence[str]]] = {"keyword": [self._ids(each.keyword) for each in found]}
        if not self._missing:
            modes["dense"] = [self._ids(each.dense) for each in found]
            modes["hybrid"] = [self._documents(self._fuse(each)) for each in found]
        if rerank:
            modes["rerank"] = [each.reranked for each in found]
        return {mode: _scores(rankings, [each.grades for each in found]) for mode, rankings in modes.items()}

    def _choose(self, found: Sequence[_Found]) -> dict[str, Any]:
        current = self._parts.weight
        weights = sorted({*WEIGHTS, current})
        by_query = [self._by_weight(each, weights) for each in found]
        scores = dict(zip(weights, zip(*by_query, strict=True), strict=True))
        held_out: list[float] = [0.0] * len(found)
        for fold in range(FOLDS):
            inside = [at for at in range(len(found)) if at % FOLDS != fold]
            chosen = max(weights, key=lambda weight: fmean(scores[weight][at] for at in inside))
            for at in range(fold, len(found), FOLDS):
                held_out[at] = scores[chosen][at]
        best = max(weights, key=lambda weight: fmean(scores[weight]))
        gains = [new - old for new, old in zip(held_out, scores[current], strict=True)]
        low, high = interval(gains)
        return {
            "weight": best,
            "held_out": _with_interval(held_out),
            "current": {"weight": current, **_with_interval(scores[current])},
            "gain": {"ndcg@10": fmean(gains), "low": low, "high": high},
            "sure": low > 0,
            "weights": [{"weight": weight, "ndcg@10": fmean(scores[weight])} for weight in weights],
            "config": f"[search]\nweight = {best:g}\n",
        }

    def _by_weight(self, found: _Found, weights: Sequence[float]) -> list[float]:
        """Return the nDCG@10 of one query with each weight: scores are linear in it, so two fusions do."""
        meaning = {each.place.group: each for each in fuse(found.dense, found.keyword, 1.0)}
        words = {each.place.group: each.score for each in fuse(found.dense, found.keyword, 0.0)}
        parts = [
            (_source_id(each.place, self._paths), each.score, words[group]) for group, each in meaning.items()
        ]
        rankings = (
            sorted(parts, key=lambda part, weight=weight: -weight * part[1] - (1 - weight) * part[2])  # type: ignore[misc]
            for weight in weights
        )
        return [ndcg(list(dict.fromkeys(id for id, _, _ in ranked)), found.grades) for ranked in rankings]

    def _fuse(self, found: _Found) -> list[Scored]:
        """Return the hits as a search ranks them."""
        if self._missing:
            return alone("keyword", found.keyword)
        return fuse(found.dense, found.keyword, self._parts.weight)[:DEPTH]

    def _documents(self, ranked: Sequence[Scored]) -> list[str]:
        return self._ids([(each.place, each.score) for each in ranked])

    def _ids(self, ranked: Ranked) -> list[str]:
        """Return the documents of a ranking, each once."""
        return list(dict.fromkeys(_source_id(place, self._paths) for place, _ in ranked))


def _source_id(place: Place, paths: Mapping[int, str]) -> str:
    """Return what a hit calls its document, as `Row.source_id` does."""
    path = paths.get(place.document, "")
    return path if place.record is None else place.record or f"{path}:{place.line}"


def _scores(rankings: Sequence[Sequence[str]], grades: Sequence[Mapping[str, int]]) -> dict[str, float]:
    pairs = list(zip(rankings, grades, strict=True))
    return {
        "ndcg@10": fmean(ndcg(ranked, judged) for ranked, judged in pairs),
        "recall@10": fmean(recall(ranked, judged, 10) for ranked, judged in pairs),
        "recall@100": fmean(recall(ranked, judged, 100) for ranked, judged in pairs),
        "mrr": fmean(reciprocal_rank(ranked, judged) for ranked, judged in pairs),
    }


def _with_interval(values: Sequence[float]) -> dict[str, float]:
    low, high = interval(values)
    return {"ndcg@10": fmean(values), "low": low, "high": high}
