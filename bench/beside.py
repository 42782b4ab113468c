"""What a run of a graph costs beside one of a trivial graph: both in turns, in one engine."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.engine import Engine, open_engine
from runtime.runs.run import StartRun
from runtime.settings import Settings

GRAPHS = Path(__file__).parent.parent / "graphs"
TRIVIAL = """
graph  = "trivial"
start  = "answer"
output = ["answer"]

[input]
user = "text"

[state]
answer = "text"

[node.answer]
use  = "set"
set  = { answer = "{{ user }}" }
next = "end"
"""

Spent = Mapping[str, Sequence[float]]
"""Seconds of the runs of each graph; the first ones, which warm up, are left out."""


async def _nothing(engine: Engine) -> None:
    return


async def beside_trivial(
    workspace: Path,
    graph: str,
    inputs: Sequence[Mapping[str, Any]],
    prepare: Callable[[Engine], Awaitable[None]] = _nothing,
) -> Spent:
    """Run a graph that ships once with each input, and the trivial one after each; `prepare` comes first."""
    (workspace / "graphs").mkdir(exist_ok=True)
    (workspace / "graphs" / "trivial.toml").write_text(TRIVIAL)
    (workspace / "graphs" / f"{graph}.toml").write_text((GRAPHS / f"{graph}.toml").read_text())
    settings = Settings(workspace=workspace)
    inference = settings.inference.model_copy(update={"folder": workspace / "models"})
    storage = settings.storage.model_copy(update={"path": workspace / "var"})
    engine = await open_engine(settings.model_copy(update={"storage": storage, "inference": inference}))
    try:
        await prepare(engine)
        spent: dict[str, list[float]] = {"trivial": [], graph: []}
        for given in inputs:
            spent[graph].append(await _run(engine, graph, given))
            spent["trivial"].append(await _run(engine, "trivial", {"user": "you"}))
        return {name: seconds[len(inputs) // 10 :] for name, seconds in spent.items()}
    finally:
        await engine.aclose(1.0)


async def _run(engine: Engine, graph: str, given: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    run = await engine.runs.start(StartRun("default", graph, input=dict(given)))
    await engine.runs.output("default", run.id)
    return time.perf_counter() - began


def print_beside(spent: Spent) -> None:
    """Print what the graph costs beside the trivial one."""
    figures = {name: np.percentile(seconds, [50, 95]) * 1e3 for name, seconds in spent.items()}
    (added,) = (figures[name] - figures["trivial"] for name in figures if name != "trivial")
    for name, (p50, p95) in [*figures.items(), ("added", added)]:
        print(f"{name:<15} p50 {p50:.1f} ms, p95 {p95:.1f} ms")
