"""Servers that play vendors, made by others: `llmock` breaks on demand, `aimock` speaks more languages."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llmock.testing import LLMockServer

from runtime.extensions.context import CallContext
from runtime.telemetry import get_logger

FOLDER = Path(__file__).parent / "aimock"
MARKER = "sk-marker-5f1d2c9ab7e04"
"""The key that every vendor is given here; nothing may ever show it."""


@pytest.fixture(scope="session")
def _llmock() -> Iterator[LLMockServer]:
    with LLMockServer() as server:
        yield server


@pytest.fixture
def llmock(_llmock: LLMockServer) -> LLMockServer:
    """A server that answers as OpenAI and Anthropic do, and fails when it is told to."""
    _llmock.state.reset()
    return _llmock


@pytest.fixture(scope="session")
def aimock() -> Iterator[str]:
    """The address of a server that also speaks Ollama's and the Responses language, with thoughts."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    program = FOLDER / "node_modules" / ".bin" / "llmock"
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not program.exists():
            installed = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True
            )
            if installed.returncode:
                pytest.skip(f"npm cannot install aimock: {installed.stderr[-300:]}")
    command = [str(program), "--port", "0", "--fixtures", str(FOLDER / "fixtures.json"), "--chunk-size", "4"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    try:
        yield _address(process.stdout)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _address(lines: Any) -> str:
    for line in lines:
        if found := re.search(r"listening on (\S+)", line):
            return found[1]
    raise AssertionError("aimock ended before it listened")


@pytest.fixture
def ctx() -> CallContext:
    """What a provider is given."""
    return CallContext(
        tenant="default",
        run="r",
        thread="t",
        idempotency_key="k",
        deadline=time.monotonic() + 30,
        params=None,
        log=get_logger("test"),
        services=None,  # type: ignore[arg-type]
        emitter=lambda delta: None,
    )
