"""Measures search on labelled queries: `python -m bench.search_quality --corpus C --queries Q --qrels R`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, quantiles

from runtime.config import load_settings
from runtime.extensions.loader import load_plugins
from runtime.search import IndexRequest, Search, read_labels
from runtime.search.labels import Labels
from runtime.search.quality import ndcg
from runtime.telemetry import Telemetry
from runtime.types import Hits

SCIFACT = Path(__file__).parent.parent.parent / "shared" / "data" / "scifact"
TOP = 10
TICK = 0.005


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


async def measure(name: str, find: Callable[[str, int], Awaitable[Hits]], labels: Labels) -> None:
    """Ask every judged query once and print quality and latency."""
    scores, seconds, modes = [], [], set()
    for id, relevant in labels.judged.items():
        started = time.perf_counter()
        hits = await find(labels.queries[id], TOP)
        seconds.append(time.perf_counter() - started)
        scores.append(ndcg(list(dict.fromkeys(hit.source["id"] for hit in hits)), relevant))
        modes.add(hits.mode)
    cuts = quantiles(seconds, n=100)
    print(
        f"  {name:8} nDCG@10 {fmean(scores):.4f}"
        f"   p50 {cuts[49] * 1e3:5.1f} ms   p95 {cuts[94] * 1e3:5.1f} ms"
        f"   found by {'/'.join(sorted(modes))}"
    )


async def run(options: argparse.Namespace) -> None:
    """Index into a temporary workspace (or the given one) and measure all three ways to search."""
    labels = read_labels(options.queries, options.qrels)
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
            print(f"{len(labels.queries)} queries")
            await collection.hybrid("warm up", TOP)
            ways = (
                ("keyword", collection.keyword),
                ("dense", collection.dense),
                ("hybrid", collection.hybrid),
            )
            for name, find in ways:
                await measure(name, find, labels)
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
