"""Measures search on labelled queries: `python -m bench.search_quality --corpus C --queries Q --qrels R`."""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, quantiles

import orjson

from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.search import IndexRequest, Search
from runtime.telemetry import Telemetry
from runtime.types import Hits

SCIFACT = Path(__file__).parent.parent.parent / "shared" / "data" / "scifact"
TOP = 10
TICK = 0.005

Judgements = dict[str, dict[str, int]]


@dataclass
class Ticker:
    """Wakes every 5 ms and remembers how late it was: the pauses a client of the hub would see."""

    worst: float = 0.0
    late: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.late.append(time.perf_counter() - before - TICK)
            self.worst = max(self.worst, self.late[-1])


def ndcg(ranked: Sequence[str], relevant: dict[str, int], top: int = TOP) -> float:
    """Return nDCG of document ids, each counted once, with gain 2^grade - 1."""
    found = list(dict.fromkeys(ranked))[:top]
    best = sorted(relevant.values(), reverse=True)[:top]

    def gain(grades: Sequence[int]) -> float:
        return math.fsum((2**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(grades))

    return gain([relevant.get(id, 0) for id in found]) / gain(best) if any(best) else 0.0


def read_queries(path: Path) -> dict[str, str]:
    """Return the queries by id."""
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    return {str(row.get("_id", row.get("id"))): row["text"] for row in rows}


def read_judgements(path: Path) -> Judgements:
    """Return grades by query and document; a first line of names is passed over."""
    judged: Judgements = {}
    for line in path.read_text().splitlines():
        query, document, grade = line.split("\t")
        if grade.strip().lstrip("-").isdigit():
            judged.setdefault(query, {})[document] = int(grade)
    return judged


async def build(search: Search, corpus: Path) -> None:
    """Index the corpus and print how long that took, and how late the loop was meanwhile."""
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run(), name="ticker")
    phase, started = "", time.perf_counter()
    async for progress in search.index(IndexRequest("default", "bench", [str(corpus.resolve())])):
        if progress.phase != phase:
            phase = progress.phase
            print(f"  {time.perf_counter() - started:7.1f} s  {phase}", flush=True)
        if progress.totals:
            totals = progress.totals
            print(f"  {totals.passages} passages, {len(totals.failed)} failures, mode {totals.mode}")
    ticking.cancel()
    print(
        f"  loop while indexing: p99 {quantiles(ticker.late, n=100)[-1] * 1e3:.1f} ms late,"
        f" worst {ticker.worst * 1e3:.1f} ms"
    )


async def measure(
    name: str, find: Callable[[str, int], Awaitable[Hits]], queries: dict[str, str], judged: Judgements
) -> None:
    """Ask every judged query once and print quality and latency."""
    scores, seconds, modes = [], [], set()
    for id, relevant in judged.items():
        started = time.perf_counter()
        hits = await find(queries[id], TOP)
        seconds.append(time.perf_counter() - started)
        scores.append(ndcg([hit.source["id"] for hit in hits], relevant))
        modes.add(hits.mode)
    cuts = quantiles(seconds, n=100)
    print(
        f"  {name:8} nDCG@10 {fmean(scores):.4f}"
        f"   p50 {cuts[49] * 1e3:5.1f} ms   p95 {cuts[94] * 1e3:5.1f} ms"
        f"   found by {'/'.join(sorted(modes))}"
    )


async def run(options: argparse.Namespace) -> None:
    """Index into a temporary workspace (or the given one) and measure all three ways to search."""
    queries, judged = read_queries(options.queries), read_judgements(options.qrels)
    with tempfile.TemporaryDirectory() as temporary:
        workspace = options.workspace or Path(temporary)
        workspace.mkdir(parents=True, exist_ok=True)
        settings = load_settings(workspace)
        catalog = load_plugins(settings)
        search = Search(settings, lambda: catalog, Telemetry(settings.telemetry))
        await search.open()
        try:
            print(f"{search.health().detail}\nindexing {options.corpus.name}")
            await build(search, options.corpus)
            collection = search.collection("default", "bench")
            print(f"{len(judged)} queries")
            await collection.hybrid("warm up", TOP)
            ways = (
                ("keyword", collection.keyword),
                ("dense", collection.dense),
                ("hybrid", collection.hybrid),
            )
            for name, find in ways:
                await measure(name, find, queries, judged)
        finally:
            await search.aclose()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=SCIFACT / "corpus.jsonl")
    parser.add_argument("--queries", type=Path, default=SCIFACT / "queries.jsonl")
    parser.add_argument("--qrels", type=Path, default=SCIFACT / "qrels_train.tsv")
    parser.add_argument(
        "--workspace", type=Path, help="keep the index here, to measure again without indexing"
    )
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
