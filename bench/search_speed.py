"""Measures how fast search answers: `python -m bench.search_speed --passages 50000`.

The texts are sentences of a corpus, mixed; queries are embedded by the real model.  The stored vectors are
made up, around as many centres as a real collection has topics: embedding 50,000 passages takes an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles

import numpy as np
import orjson

from bench.search_quality import SCIFACT, Ticker
from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.ports import Collection
from runtime.search import IndexRequest, Search
from runtime.search.schema import open_writer, vector_collection
from runtime.search.vectors import VectorIndex
from runtime.telemetry import Telemetry
from runtime.types import JsonObject, SearchQuery

TENTH: JsonObject = {"tenth": 3}
KINDS = {
    "keyword": SearchQuery("", 10, "keyword"),
    "dense": SearchQuery("", 10, "dense"),
    "hybrid": SearchQuery("", 10),
    "hybrid, a filter that leaves a tenth": SearchQuery("", 10, filter=TENTH),
    "hybrid, as graphs/search.toml asks": SearchQuery("", 10, highlight=True, suggest=True),
    "hybrid, with a facet": SearchQuery("", 10, facets=["tenth"]),
}
TOPICS = 500
WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Row:
    """How long one kind of search took, in milliseconds."""

    name: str
    p50: float
    p95: float
    late: float
    """The longest pause of the event loop meanwhile."""


def write_corpus(target: Path, source: Path, passages: int) -> None:
    """Write that many records of seven sentences each, mixed from the source's texts."""
    chance = random.Random(1)
    texts = [orjson.loads(line)["text"] for line in source.read_bytes().splitlines() if line.strip()]
    sentences = [part.strip() + "." for text in texts for part in text.split(". ") if len(part) > 20]
    with target.open("wb") as file:
        for number in range(passages):
            text = " ".join(chance.choices(sentences, k=7))
            file.write(orjson.dumps({"id": str(number), "text": text, "tenth": number % 10}) + b"\n")


def write_vectors(var: Path, space: str) -> None:
    """Give every passage a made-up vector, as embedding would, and say that all have one."""
    connection = open_writer(var / "search.db")
    keys = [key for (key,) in connection.execute("SELECT key FROM passages ORDER BY id")]
    chance, size = np.random.default_rng(1), int(space.rpartition(":")[2])
    topics = chance.standard_normal((TOPICS, size), dtype=np.float32)
    vectors = topics[chance.integers(0, TOPICS, len(keys))] + 0.7 * chance.standard_normal(
        (len(keys), size), dtype=np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    VectorIndex(var / "chroma").upsert(vector_collection("default", "bench", space), keys, vectors)
    connection.execute("UPDATE passages SET vector_stored = 1")
    connection.execute("UPDATE collections SET embedder = ?", (space,))
    connection.close()


async def time_queries(name: str, collection: Collection, kind: SearchQuery, queries: Sequence[str]) -> Row:
    """Ask one query after the other and return how long they took."""
    for query in queries[:WARM_UP]:
        await collection.search(replace(kind, text=query))
    ticker, seconds = Ticker(), []
    ticking = asyncio.create_task(ticker.run(), name="ticker")
    for query in queries[WARM_UP:]:
        started = time.perf_counter()
        await collection.search(replace(kind, text=query))
        seconds.append(time.perf_counter() - started)
    ticking.cancel()
    cuts = quantiles(seconds, n=100)
    return Row(name, cuts[49] * 1e3, cuts[94] * 1e3, ticker.worst * 1e3)


async def measure(workspace: Path, corpus: Path, queries: Sequence[str], passages: int) -> list[Row]:
    """Build the collection where the workspace has none, and time each kind of search."""
    settings = load_settings(workspace)
    catalog = load_plugins(settings)
    if not (settings.var / "search.db").exists():
        write_corpus(workspace / "mixed.jsonl", corpus, passages)
        await _index(Search(settings, lambda: catalog, Telemetry(settings.telemetry)), workspace)
        space = Search(settings, lambda: catalog, Telemetry(settings.telemetry)).space
        await asyncio.to_thread(write_vectors, settings.var, space)
    rows = []
    for name, kind in KINDS.items():
        # One for each kind: a search that has embedded a query remembers its vector.
        search = Search(settings, lambda: catalog, Telemetry(settings.telemetry))
        await search.open()
        gc.freeze()  # as the hub does when it has started
        try:
            rows.append(await time_queries(name, search.collection("default", "bench"), kind, queries))
        finally:
            await search.aclose()
    return rows


async def _index(search: Search, workspace: Path) -> None:
    """Index by keyword alone: the vectors are made up afterwards."""
    search._queries.missing = lambda: "made up"  # type: ignore[method-assign]
    try:
        async for _ in search.index(IndexRequest("default", "bench", [str(workspace / "mixed.jsonl")])):
            pass
    finally:
        await search.aclose()


async def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    lines = options.queries.read_bytes().splitlines()[: options.count]
    queries = [orjson.loads(line)["text"] for line in lines]
    with tempfile.TemporaryDirectory() as temporary:
        workspace = options.workspace or Path(temporary)
        workspace.mkdir(parents=True, exist_ok=True)
        print(f"{options.passages} passages, {len(queries)} queries")
        for row in await measure(workspace, options.corpus, queries, options.passages):
            print(
                f"  {row.name:38} p50 {row.p50:6.1f} ms   p95 {row.p95:6.1f} ms"
                f"   loop {row.late:5.1f} ms late"
            )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=SCIFACT / "corpus.jsonl")
    parser.add_argument("--queries", type=Path, default=SCIFACT / "queries.jsonl")
    parser.add_argument("--passages", type=int, default=50_000)
    parser.add_argument("--count", type=int, default=300, help="queries")
    parser.add_argument("--workspace", type=Path, help="keep the index here, to measure again")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
