"""A real hub on a free port, and what its clients see of its speed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import websockets
from langgraph_sdk import get_client

from runtime.lock import holder

WORKSPACE = Path(__file__).parent / "workspace"
HUBBUB = [sys.executable, "-m", "hub.cli"]


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub that serves the benchmark's workspace.  `ready_after` is in seconds."""

    url: str
    pid: int
    ready_after: float

    def memory(self) -> int:
        """Return the resident memory of the hub's own process in KiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("the hub has ended")


@contextmanager
def running_hub(more: str = "") -> Iterator[Hub]:
    """Serve a copy of the workspace, with `more` in its configuration, from a child process."""
    folder = Path(tempfile.mkdtemp(prefix="hubbub-bench-"))
    shutil.copytree(WORKSPACE, folder, dirs_exist_ok=True)
    with (folder / "config.toml").open("a") as config:
        config.write(more)
    started = time.perf_counter()
    command = [*HUBBUB, "--workspace", str(folder), "serve", "--port", "0"]
    with (folder / "hub.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = _ready(process, folder)
        yield Hub(url, process.pid, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)


def _ready(process: subprocess.Popen[bytes], folder: Path) -> str:
    for _ in range(3000):
        if process.poll() is not None:
            raise RuntimeError(f"the hub ended: {(folder / 'hub.log').read_text()}")
        owner = holder(folder / "var")
        if owner and owner.url:
            with urlopen(f"{owner.url}/readyz") as answer:  # our own address
                if answer.status == 200:
                    return owner.url
        time.sleep(0.01)
    raise RuntimeError("the hub was not ready after 30 s")


async def first_token_of_sdk(hub: Hub, runs: int) -> list[float]:
    """Return seconds from `run.start` to the first text through the official SDK's WebSocket transport."""
    client, seconds = get_client(url=hub.url), []
    for _ in range(runs):
        async with client.threads.stream(assistant_id="ask", transport="websocket") as thread:
            started = time.perf_counter()
            await thread.run.start(input={"question": "hi"})
            first = [asyncio.create_task(_first_text(message)) async for message in thread.messages]
            seconds.append(await first[0] - started)
    return seconds


async def _first_text(message: Any) -> float:
    """Return when the first text came.  The SDK feeds a message only while `messages` is iterated."""
    async for text in message.text:
        if text:
            return time.perf_counter()
    raise RuntimeError("the message had no text")


async def first_token_of_socket(hub: Hub, runs: int) -> list[float]:
    """Return seconds from `run.start` to the first text on a socket that is open already."""
    url, seconds = hub.url.replace("http", "ws"), []
    async with websockets.connect(f"{url}/ws", subprotocols=[websockets.Subprotocol("hubbub.v1")]) as socket:
        for number in range(runs):
            thread = str(uuid.uuid4())
            started = time.perf_counter()
            params = {"assistant_id": "ask", "input": {"question": "hi"}}
            await _send(socket, 2 * number, "run.start", thread, params)
            await _send(socket, 2 * number + 1, "subscription.subscribe", thread, {"channels": ["messages"]})
            finished = False
            first = 0.0
            while not finished:
                frame = json.loads(await socket.recv())
                if frame["type"] == "error":
                    raise RuntimeError(frame["message"])
                data = frame.get("params", {}).get("data", {})
                if data.get("event") == "content-block-delta" and not first:
                    first = time.perf_counter() - started
                finished = data.get("event") == "message-finish"
            seconds.append(first)
    return seconds


async def _send(socket: Any, id: int, method: str, thread: str, params: dict[str, Any]) -> None:
    await socket.send(json.dumps({"id": id, "method": method, "thread": thread, "params": params}))


async def runs_per_second(hub: Hub, total: int, at_once: int) -> float:
    """Return durable runs a second through the official SDK, `at_once` at a time."""
    client = get_client(url=hub.url)

    async def worker() -> None:
        for _ in range(total // at_once):
            values: Any = await client.runs.wait(None, "trivial", input={"name": "you"})
            assert values["greeting"] == "Hello you", values

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return total / (time.perf_counter() - started)


async def tokens_per_second(hub: Hub, runs: int, tokens: int) -> float:
    """Return text tokens a second through the official SDK's WebSocket transport, all runs at once."""
    client = get_client(url=hub.url)

    async def one() -> int:
        async with client.threads.stream(assistant_id="long", transport="websocket") as thread:
            await thread.run.start(input={"question": "hi"})
            texts = [asyncio.create_task(_whole(message)) async for message in thread.messages]
            return len("".join(await asyncio.gather(*texts)).split())

    started = time.perf_counter()
    counted = await asyncio.gather(*(one() for _ in range(runs)))
    assert set(counted) == {tokens}, counted
    return sum(counted) / (time.perf_counter() - started)


async def _whole(message: Any) -> str:
    text: str = await message.text
    return text


def seconds_to_help(times: int) -> list[float]:
    """Return seconds that `hubbub --help` takes as a whole process."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([*HUBBUB, "--help"], check=True, stdout=subprocess.DEVNULL, env=os.environ)
        seconds.append(time.perf_counter() - started)
    return seconds


def seconds_to_import(times: int) -> list[float]:
    """Return seconds to import LangGraph and aiohttp in a new process: the floor of a start."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import langgraph.graph, aiohttp.web"], check=True)
        seconds.append(time.perf_counter() - started)
    return seconds
