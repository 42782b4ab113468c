"""Servers that play vendors, made by others: `llmock` breaks on demand, `aimock` speaks more languages."""

from __future__ import annotations

import asyncio
import fcntl
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from llmock.testing import LLMockServer

from runtime.extensions.context import CallContext
from runtime.telemetry import get_logger

FOLDER = Path(__file__).parent / "aimock"
MARKER = "sk-marker-5f1d2c9ab7e04"
"""The key that every vendor is given here; nothing may ever show it."""


@pytest.fixture(scope="session", autouse=True)
def _imported() -> None:
    """Import the SDKs before any call's time runs: on a busy machine that takes longer than a token may."""
    import anthropic  # noqa: F401
    import openai  # noqa: F401


@pytest.fixture(scope="session")
def _llmock() -> Iterator[LLMockServer]:
    with LLMockServer() as server:
        yield server


@pytest.fixture
def llmock(_llmock: LLMockServer) -> LLMockServer:
    """A server that answers as OpenAI and Anthropic do, and fails when it is told to."""
    _llmock.state.reset()
    return _llmock


class Endless:
    """A vendor whose answer never ends; `left` is set when its client has gone."""

    url = ""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Write one word after the other."""
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n')
                await asyncio.sleep(0.005)
        finally:
            self.left.set()


@pytest.fixture
async def endless() -> AsyncIterator[Endless]:
    """A vendor whose answer never ends."""
    vendor, app = Endless(), web.Application()
    app.router.add_post("/v1/chat/completions", vendor.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield vendor
    await runner.cleanup()


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
