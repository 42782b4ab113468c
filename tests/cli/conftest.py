"""The program as people start it: real processes, real workspaces, a real hub."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.lock import Holder, holder

PROGRAM = [sys.executable, "-m", "hub.cli"]
DOCUMENT = """# Lanterns

A lantern of the north pier burns for nine hours before the keeper has to fill it again.

The keeper of the south pier is called Amaranth Oakley.
"""
HANGS = 300
"""Seconds after which a program is taken to hang, on the busiest of machines."""
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

Done = subprocess.CompletedProcess[str]
Process = subprocess.Popen[str]
Run = Callable[..., Done]
Start = Callable[..., Process]


@dataclass(frozen=True)
class Served:
    """A workspace with a hub that serves it."""

    workspace: Path
    process: Process
    owner: Holder


def _environment(**more: str) -> dict[str, str]:
    """What the program sees: no model, no settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUBBUB_", "OTEL_"))}
    return {**kept, **more}


def _run(*arguments: str | Path, input: str = "", **more: str) -> Done:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        input=input,
        capture_output=True,
        text=True,
        env=_environment(**more),
        timeout=HANGS,
        check=False,
    )


def _start(*arguments: str | Path) -> Process:
    pipe = subprocess.PIPE
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=_environment())


def _wait_until_served(workspace: Path, process: Process) -> Holder:
    while process.poll() is None:
        owner = holder(workspace / "var")
        if owner and owner.url:
            return owner
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


def _make_workspace(folder: Path) -> Path:
    """Make a workspace with a document, a graph that never answers, and one that asks."""
    done = _run("init", folder)
    assert done.returncode == 0, done.stderr
    (folder / "papers").mkdir()
    (folder / "papers" / "lanterns.md").write_text(DOCUMENT)
    (folder / "plugins" / "nap.py").write_text(SLOW_PLUGIN)
    (folder / "graphs" / "slow.toml").write_text(SLOW_GRAPH)
    (folder / "graphs" / "post.toml").write_text(POST_GRAPH)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Let the programs be interrupted, also where the tests themselves are not: a shell's background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def hubbub() -> Run:
    """Run the program to its end; keyword arguments are variables of its environment."""
    return _run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the program with pipes; what still runs after the test is ended."""
    started: list[Process] = []

    def begin(*arguments: str | Path) -> Process:
        started.append(_start(*arguments))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def wait_until_served() -> Callable[[Path, Process], Holder]:
    """Wait until a hub that was started says where it listens."""
    return _wait_until_served


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace that nobody serves."""
    return _make_workspace(tmp_path / "space")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A workspace with a hub and its papers indexed, for all tests that leave it as it was."""
    folder = _make_workspace(tmp_path_factory.mktemp("served") / "space")
    process = _start("--workspace", folder, "serve", "--port", "0")
    try:
        owner = _wait_until_served(folder, process)
        indexed = _run("--workspace", folder, "index", folder / "papers")
        assert indexed.returncode == 0, indexed.stderr
        yield Served(folder, process, owner)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()
