"""A workspace of these tests and the hub that serves it, which is killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from runtime.lock import holder
from tests.faults import armed_writer
from tests.faults.armed_writer import Trap
from tests.programs import Nursery, Order, environment

PATIENCE = 60.0
"""Seconds after which a test gives up waiting: for a loaded machine, nothing here takes long."""

_PLUGINS = ("steps.py", "parallel.py")
_GRAPHS = Path(__file__).with_name("graphs")
_CONFIG = """
[hub.limits]
commands_per_second = 1000
"""


class Place:
    """A workspace and its hub.  `url` stays the same over restarts, as behind a supervisor."""

    def __init__(self, folder: Path, nursery: Nursery, config: str = "") -> None:
        self.folder, self._nursery = folder, nursery
        self._executable = folder / "python"
        self._executable.write_text(
            f"#!{sys.executable}\nimport sys\nfrom tests.faults.armed_writer import main\n"
            f"sys.executable = {sys.executable!r}\nmain(sys.argv[1:])\n"
        )
        self._executable.chmod(0o755)
        for name in ("graphs", "plugins"):
            (folder / name).mkdir()
        for plugin in _PLUGINS:
            (folder / "plugins" / plugin).write_text(Path(__file__).with_name(plugin).read_text())
        for graph in _GRAPHS.glob("*.toml"):
            (folder / "graphs" / graph.name).write_text(graph.read_text())
        (folder / "config.toml").write_text(_CONFIG + config)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.pid = 0

    # ----------------------------------------------------------------- processes

    async def start(self, clock: float = 0.0) -> None:
        """Start the hub, its clock so many seconds ahead; returns when it serves."""
        self.launch(clock)
        await until(lambda: self.serves or not self.alive)
        assert self.alive, self.log

    def launch(self, clock: float = 0.0) -> None:
        """Start the hub and do not wait for it."""
        argv = ["--workspace", str(self.folder), "serve", "--port", str(self.port)]
        order = Order(argv, environment(), str(self._executable), ahead=clock, own_session=True)
        with (self.folder / "hub.log").open("ab") as log, open(os.devnull) as nothing:
            self._hub = self._nursery.fork(order, nothing, log, log)
        self.pid = self._hub.pid

    @property
    def alive(self) -> bool:
        """Whether the hub's process runs."""
        return bool(self.pid) and _state(self.pid) not in ("", "Z")

    @property
    def serves(self) -> bool:
        """Whether the hub has said where it listens."""
        owner = holder(self.folder / "var")
        return owner is not None and owner.pid == self.pid and bool(owner.url)

    @property
    def writer(self) -> int:
        """The process id of the hub's writer; 0 while there is none."""
        return next((pid for pid in _children(self.pid) if "runtime.journal.writer" in _command(pid)), 0)

    def kill(self, victims: str = "both") -> None:
        """Kill "both" hub and writer (and what else the hub started), the "hub" alone, or the "writer"."""
        pids = {
            "both": [self.pid, *_children(self.pid)],
            "hub": [self.pid],
            "writer": [self.writer] if victims == "writer" else [],
        }
        for pid in filter(None, pids[victims]):
            os.kill(pid, signal.SIGKILL)

    def tell(self, number: signal.Signals) -> None:
        """Send the hub a signal."""
        os.kill(self.pid, number)

    async def ended(self) -> int:
        """Wait for the end of the hub's process; returns its exit code, negative for a signal."""
        await until(lambda: not self.alive)
        self.pid = 0
        return self._hub.wait()

    async def start_again_after_a_kill(self) -> None:
        """Be the supervisor: wait until the hub was killed, and start it again."""
        assert await self.ended() == -signal.SIGKILL
        await self.start()

    async def restart(self, victims: str = "both", clock: float = 0.0) -> None:
        """Kill the hub, and start it again."""
        self.kill(victims)
        await self.ended()
        await self.start(clock)

    async def close(self) -> None:
        """Kill what still runs."""
        if self.pid:
            if self.alive:
                self.kill()
            await self.ended()

    def arm(self, trap: Trap) -> None:
        """Have the writer kill when a request passes."""
        file = self.folder / "var" / armed_writer.FILE
        draft = file.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(trap))
        draft.rename(file)

    @property
    def armed(self) -> bool:
        """Whether the trap has not sprung yet."""
        return (self.folder / "var" / armed_writer.FILE).exists()

    # ----------------------------------------------------------------- what is on disk

    @property
    def database(self) -> Path:
        """The journal's file."""
        return self.folder / "var" / "hubbub.db"

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """Read the journal from outside."""
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(sql, parameters).fetchall()

    def events(self, thread: str) -> list[tuple[int, int, str, dict[str, Any]]]:
        """Return position, seq, method and data of a thread's durable events."""
        sql = "SELECT position, seq, method, data FROM events WHERE thread = ? ORDER BY position"
        return [(*row[:3], json.loads(row[3])) for row in self.rows(sql, thread)]

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """Every effect that a step has had: run, step, key and text."""
        file = self.folder / "ledger"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def log(self) -> str:
        """What the hub has logged."""
        return (self.folder / "hub.log").read_text()

    def gate(self, name: str) -> None:
        """Open a gate that a step waits at."""
        (self.folder / name).touch()


async def until(condition: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _state(pid: int) -> str:
    return "".join(_stat(pid)[:1])


def _children(pid: int) -> list[int]:
    return list(_all_children(pid))


def _all_children(pid: int) -> Iterator[int]:
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and _stat(int(each.name))[1:2] == [str(pid)]:
            yield int(each.name)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
