"""A journal on a database of its own, the saver on it, and runs and graphs to try them with."""

from __future__ import annotations

import operator
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal
from runtime.records import Run, RunStatus, Thread


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db", durability="normal")
    await opened.open()
    yield opened
    await opened.aclose()


@pytest.fixture
def saver(journal: SqliteJournal) -> JournalSaver:
    return JournalSaver(journal)


@pytest.fixture
def new_run(journal: SqliteJournal) -> Callable[..., Awaitable[Run]]:
    """Make runs that are on record, each on a thread."""

    async def make(thread: str, status: RunStatus = RunStatus.RUNNING, *, age: float = 0.0) -> Run:
        now = time.time() - age
        about = Thread(thread, "default", {}, now, now)
        if await journal.thread(thread) is None:
            await journal.create_thread(about)
        made = Run(str(uuid.uuid4()), thread, "default", "g", "1", status, None, now, now, fence=1)
        await journal.accept(made, [], thread=about, new=False)
        return made

    return make


class State(TypedDict, total=False):
    """What the graphs of these tests keep."""

    topic: str
    log: Annotated[list[str], operator.add]


def say(word: str) -> Any:
    async def step(state: State) -> State:
        return {"log": [word]}

    return step


async def ask_twice(state: State) -> State:
    first, second = interrupt("first?"), interrupt("second?")
    return {"log": [f"{first} and {second}"]}


def chain(*steps: tuple[str, Any]) -> StateGraph[State]:
    """Return a graph of these steps, one after the other."""
    graph, last = StateGraph(State), START
    for name, step in steps:
        graph.add_node(name, step)
        graph.add_edge(last, name)
        last = name
    graph.add_edge(last, END)
    return graph


def config(thread: str, run: str | None = None, **configurable: Any) -> Any:
    """Return LangGraph's config as the worker passes it."""
    about = {"run_id": run} if run else {}
    return {"configurable": {"thread_id": thread, **configurable}, "metadata": about}


async def everything(saver: JournalSaver, thread: str) -> list[CheckpointTuple]:
    """Return all checkpoints of a thread, of all namespaces, with their writes."""
    return [found async for found in saver.alist(config(thread))]
