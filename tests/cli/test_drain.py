"""A hub told to stop: clients are told to move, runs are left where they can go on, and it ends in time."""

import json
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from runtime.lock import Holder
from tests.programs import Program

Start = Callable[..., Program]
Wait = Callable[[Path, Program], Holder]

PLUGIN = '''"""Steps that wait for a file, write into a ledger, and hang in a thread."""

import asyncio
import time
from pathlib import Path

from pydantic import BaseModel

from hubbub import hookimpl

HERE = Path(__file__).parent.parent


class Gate:
    """Writes that it was here, then waits for the file `open`."""

    name = "gate"

    class Params(BaseModel):
        """None."""

    async def run(self, state, params, ctx):
        with (HERE / "ledger").open("a") as ledger:
            ledger.write("gate\\n")
        while not (HERE / "open").exists():
            await asyncio.sleep(0.01)
        return "open"


class Note:
    """Writes that it was here."""

    name = "note"

    class Params(BaseModel):
        """None."""

    async def run(self, state, params, ctx):
        with (HERE / "ledger").open("a") as ledger:
            ledger.write("note\\n")
        return "noted"


class Hang:
    """Keeps a thread busy that nothing can end."""

    name = "hang"

    class Params(BaseModel):
        """None."""

    async def run(self, state, params, ctx):
        (HERE / "ledger").write_text("hang\\n")
        await asyncio.to_thread(time.sleep, 600)
        return ""


@hookimpl
def register_steps():
    return [Gate(), Note(), Hang()]
'''
GRAPH = """
graph  = "{name}"
start  = "first"
output = ["answer"]

[input]
question = "text"

[state]
answer = "text?"

[node.first]
use  = "step.{first}"
save = "answer"
next = "second"

[node.second]
use  = "step.note"
save = "answer"
next = "end"
"""


@pytest.fixture
def hub(tmp_path: Path, start: Start, wait_until_served: Wait, black_hole: str) -> "Hub":
    """A hub whose graphs wait, and whose trace collector takes everything and answers nothing."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "steps.py").write_text(PLUGIN)
    (tmp_path / "graphs").mkdir()
    for name in ("gate", "hang"):
        (tmp_path / "graphs" / f"{name}.toml").write_text(GRAPH.format(name=name, first=name))
    (tmp_path / "config.toml").write_text(f'[hub]\ndrain = "6s"\n[telemetry]\notlp = "{black_hole}"\n')
    found = Hub(tmp_path, start, wait_until_served)
    found.open()
    return found


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where connections are taken and nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class Hub:
    """A hub in a process of its own."""

    def __init__(self, workspace: Path, start: Start, wait: Wait) -> None:
        self.workspace, self._start, self._wait = workspace, start, wait

    def open(self) -> None:
        self.process = self._start("--workspace", self.workspace, "serve", "--port", "0")
        self.url = self._wait(self.workspace, self.process).url

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def begin(self, graph: str) -> str:
        """Start a run and wait until its first step is at work."""
        body = {"assistant_id": graph, "input": {"question": "?"}, "if_not_exists": "create"}
        run = self.ask("POST", "/threads/t1/runs", body)["run_id"]
        while not self.ledger:
            time.sleep(0.02)
        return str(run)

    @contextmanager
    def socket(self, since: int | None = None) -> Iterator[ClientConnection]:
        """A socket that is subscribed to the thread's lifecycle."""
        with connect(f"{self.url.replace('http', 'ws')}/threads/t1/stream/events") as opened:
            params: dict[str, Any] = {"channels": ["lifecycle", "updates"]}
            params |= {} if since is None else {"since": since}
            opened.send(json.dumps({"id": 1, "method": "subscription.subscribe", "params": params}))
            assert json.loads(opened.recv(20))["type"] == "success"
            yield opened

    @property
    def ledger(self) -> list[str]:
        file = self.workspace / "ledger"
        return file.read_text().splitlines() if file.exists() else []


def words(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["params"]["data"].get("event", frame["method"]) for frame in frames]


def rest_of(opened: ClientConnection, *, last: str = "") -> list[dict[str, Any]]:
    """Return what comes up to the end of the connection, or up to an event."""
    frames: list[dict[str, Any]] = []
    try:
        while not frames or words(frames)[-1] != last:
            frames.append(json.loads(opened.recv(60)))
    except ConnectionClosed:
        pass
    return frames


def test_a_stop_leaves_a_run_between_two_steps_and_sends_its_clients_away(hub: Hub) -> None:
    hub.begin("gate")
    with hub.socket() as opened:
        seen = rest_of(opened, last="running")
        hub.process.send_signal(signal.SIGTERM)
        (drain,) = rest_of(opened, last="drain")
        assert drain["params"]["data"]["reconnect_after_ms"] > 0
        (hub.workspace / "open").touch()
        seen += rest_of(opened)
        assert opened.close_code == 3001
    assert hub.process.wait(30) == 0
    assert hub.ledger == ["gate"]
    hub.open()
    with hub.socket(since=seen[-1]["seq"]) as opened:
        seen += rest_of(opened, last="completed")
    assert hub.ledger == ["gate", "note"]
    assert words(seen) == ["started", "running", "updates", "running", "updates", "completed"]
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(30) == 0


def test_a_step_that_does_not_end_in_time_runs_again_in_the_next_process(hub: Hub) -> None:
    run = hub.begin("gate")
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(30) == 0
    (hub.workspace / "open").touch()
    hub.open()
    ended = hub.ask("GET", f"/threads/t1/runs/{run}/join")
    assert ended["answer"] == "noted"
    assert hub.ledger == ["gate", "gate", "note"]


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(hub: Hub, again: signal.Signals) -> None:
    run = hub.begin("gate")
    with hub.socket() as opened:
        hub.process.send_signal(signal.SIGTERM)
        rest_of(opened, last="drain")
        hub.process.send_signal(again)
        assert hub.process.wait(30) == 130
    (hub.workspace / "open").touch()
    hub.open()
    assert hub.ask("GET", f"/threads/t1/runs/{run}/join")["answer"] == "noted"
    assert hub.ask("GET", f"/threads/t1/runs/{run}")["status"] == "success"


def test_a_thread_that_nothing_can_end_does_not_hold_up_the_stop(hub: Hub) -> None:
    hub.begin("hang")
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(30) == 0


def test_event_streams_are_told_to_move_too(hub: Hub) -> None:
    hub.begin("gate")
    body = json.dumps({"channels": ["lifecycle"]}).encode()
    request = urllib.request.Request(f"{hub.url}/threads/t1/stream/events", body, method="POST")
    lines: list[str] = []

    def read() -> None:
        with suppress(IncompleteRead), urllib.request.urlopen(request, timeout=60) as answer:
            lines.extend(line.decode() for line in answer)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    while not any("running" in line for line in lines):
        time.sleep(0.02)
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(30) == 0
    reading.join(20)
    assert any('"method":"drain"' in line for line in lines)
