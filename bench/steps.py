"""A step that does next to nothing, traced, beside the same in plain LangGraph; and loading many graphs."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from runtime.extensions.catalog import Catalog
from runtime.graphs.library import GraphLibrary
from runtime.graphs.scope import RunScope
from runtime.graphs.text_version import GraphVersion
from runtime.records import Run, RunStatus
from runtime.runs.meter import Meter
from runtime.settings import Settings, TelemetrySettings
from runtime.telemetry import Telemetry, get_logger

STEPS = 40

_HEAD = """
graph  = "{name}"
start  = "step0"
output = ["answer"]
limits = {{ max_steps = 1000 }}

[input]
question = "text"

[state]
answer = "text"
"""
_STEP = """
[node.step{number}]
use  = "set"
set  = {{ answer = "x" }}
next = "{next}"
"""


class _State(TypedDict, total=False):
    question: str
    answer: str


def plain_graph() -> Any:
    """Return a chain of steps that write one word, compiled."""

    async def step(state: _State) -> _State:
        return {"answer": "x"}

    graph = StateGraph(_State)
    for number in range(STEPS):
        graph.add_node(f"step{number}", step)
        graph.add_edge(f"step{number - 1}" if number else START, f"step{number}")
    graph.add_edge(f"step{STEPS - 1}", END)
    return graph.compile(checkpointer=InMemorySaver())


def text_graph(name: str = "chain", steps: int = STEPS) -> str:
    """Return the same chain as a graph file."""
    names = [*(f"step{number}" for number in range(1, steps)), "end"]
    chain = [_STEP.format(number=number, next=next) for number, next in enumerate(names)]
    return _HEAD.format(name=name) + "".join(chain)


async def seconds_of_a_step(rounds: int) -> tuple[list[float], list[float]]:
    """Measure a step of plain LangGraph and one of ours, in turns; both with a memory saver."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        (workspace / "graphs").mkdir()
        (workspace / "graphs" / "chain.toml").write_text(text_graph())
        version = GraphLibrary(Settings(workspace=workspace), Catalog).get("chain")
        assert isinstance(version, GraphVersion)
        telemetry = Telemetry(TelemetrySettings(traces=workspace / "traces.jsonl"))
        theirs, ours = plain_graph(), version.compiled(InMemorySaver())
        found: tuple[list[float], list[float]] = [], []
        for number in range(rounds):
            scope = _scope(telemetry, Run(f"r{number}", "t", "d", "chain", "v", RunStatus.RUNNING, {}, 0, 0))
            found[0].append(await _timed(theirs, {"question": "q"}, number, None))
            found[1].append(await _timed(ours, version.initial({"question": "q"}), number, scope))
        await telemetry.aclose(1.0)
    return found


async def _timed(graph: Any, given: Any, number: int, scope: RunScope | None) -> float:
    config = {"configurable": {"thread_id": str(number)}, "recursion_limit": STEPS + 1}
    began = time.perf_counter()
    await graph.ainvoke(given, config, context=scope)
    return (time.perf_counter() - began) / STEPS


def _scope(telemetry: Telemetry, run: Run) -> RunScope:
    async def settled() -> None:
        """Nothing has to be on disk."""

    unused: Any = None
    return RunScope(
        run=run,
        deadline=time.monotonic() + 60,
        catalog=Catalog(),
        services=unused,
        telemetry=telemetry,
        log=get_logger(__name__),
        messages=unused,
        custom=lambda name, payload: None,
        settled=settled,
        meter=Meter(STEPS),
    )


def seconds_to_load(graphs: int) -> float:
    """Measure reading and checking so many files of ten steps."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        (workspace / "graphs").mkdir()
        for number in range(graphs):
            (workspace / "graphs" / f"g{number}.toml").write_text(text_graph(f"g{number}", 10))
        began = time.perf_counter()
        library = GraphLibrary(Settings(workspace=workspace), Catalog)
        assert len(library.names()) == graphs
        return time.perf_counter() - began


if __name__ == "__main__":
    import statistics

    plain, text = asyncio.run(seconds_of_a_step(60))
    print(f"plain {statistics.median(plain) * 1e6:.0f} us, ours {statistics.median(text) * 1e6:.0f} us")
    print(f"1,000 graphs {seconds_to_load(1000):.2f} s")
