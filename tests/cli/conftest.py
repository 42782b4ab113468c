"""The program as people start it: real processes, real workspaces, a real hub."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.lock import Holder, holder
from tests.programs import Nursery, Program

DOCUMENT = """# Lanterns

A lantern of the north pier burns for nine hours before the keeper has to fill it again.

The keeper of the south pier is called Amaranth Oakley.
"""
SLOW_PLUGIN = '''
"""A step that takes its time."""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Nap:
    """Sleeps until it is cancelled."""

    name = "nap"

    class Params(BaseModel):
        """None."""

    async def run(self, state, params, ctx):
        await asyncio.sleep(600)
        return ""


@hookimpl
def register_steps():
    return [Nap()]
'''
SLOW_GRAPH = """
graph  = "slow"
about  = "Never answers"
start  = "nap"
output = ["answer"]

[input]
question = "text"

[state]
answer = "text?"

[node.nap]
use  = "step.nap"
save = "answer"
next = "end"
"""

POST_GRAPH = """
graph  = "post"
about  = "Asks a person"
start  = "ask"
output = ["decision"]

[input]
question = "text"

[state]
decision = { type = "object?", fields = { choice = "text", note = "text" } }

[node.ask]
use     = "approve"
show    = ["question"]
choices = { publish = "end", change = "ask" }
save    = "decision"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]


@dataclass(frozen=True)
class Served:
    """A workspace with a hub that serves it."""

    workspace: Path
    process: Program
    owner: Holder


def _wait_until_served(workspace: Path, process: Program) -> Holder:
    while process.poll() is None:
        owner = holder(workspace / "var")
        if owner and owner.url:
            return owner
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


def _make_workspace(folder: Path, run: Run) -> Path:
    """Make a workspace with a document, a graph that never answers, and one that asks."""
    done = run("init", folder)
    assert done.returncode == 0, done.stderr
    (folder / "papers").mkdir()
    (folder / "papers" / "lanterns.md").write_text(DOCUMENT)
    (folder / "plugins" / "nap.py").write_text(SLOW_PLUGIN)
    (folder / "graphs" / "slow.toml").write_text(SLOW_GRAPH)
    (folder / "graphs" / "post.toml").write_text(POST_GRAPH)
    return folder


@pytest.fixture(scope="session")
def hubbub(nursery: Nursery) -> Run:
    """Run the program to its end; keyword arguments are variables of its environment."""
    return nursery.run


@pytest.fixture
def start(nursery: Nursery) -> Iterator[Start]:
    """Start the program with pipes; what still runs after the test is ended."""
    started: list[Program] = []

    def begin(*arguments: str | Path) -> Program:
        started.append(nursery.start(*arguments))
        return started[-1]

    yield begin
    for program in started:
        program.close()


@pytest.fixture(scope="session")
def wait_until_served() -> Callable[[Path, Program], Holder]:
    """Wait until a hub that was started says where it listens."""
    return _wait_until_served


@pytest.fixture
def workspace(hubbub: Run, tmp_path: Path) -> Path:
    """A workspace that nobody serves."""
    return _make_workspace(tmp_path / "space", hubbub)


@pytest.fixture(scope="session")
def served(hubbub: Run, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A workspace with a hub and its papers indexed, for all tests that leave it as it was."""
    folder = _make_workspace(tmp_path_factory.mktemp("served") / "space", hubbub)
    program = nursery.start("--workspace", folder, "serve", "--port", "0")
    try:
        owner = _wait_until_served(folder, program)
        indexed = hubbub("--workspace", folder, "index", folder / "papers")
        assert indexed.returncode == 0, indexed.stderr
        yield Served(folder, program, owner)
    finally:
        program.send_signal(signal.SIGTERM)
        try:
            program.communicate(timeout=30)
        finally:
            program.close()
