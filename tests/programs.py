"""The program as people start it: each time a process, forked from one that has imported it already."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

HANGS = 300
"""Seconds after which a program is taken to hang, on the busiest of machines."""
LONGEST = 1 << 20
"""How many bytes an order to the nursery may have."""
_ROOT = Path(__file__).parents[1]


class Order(msgspec.Struct, frozen=True):
    """One start: `hubbub ARGV`, its environment, and what it starts its own children with.

    Its clock is `ahead` by so many seconds; with a session of its own no terminal's signal reaches it.
    """

    argv: list[str]
    environment: dict[str, str]
    executable: str = sys.executable
    ahead: float = 0.0
    own_session: bool = False


def environment(**more: str) -> dict[str, str]:
    """What a program sees: no model, no settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUBBUB_", "OTEL_"))}
    return {**kept, **more}


class Fork:
    """A process that the nursery has forked; `returncode` is None until somebody has seen its end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._told = connection, connection.makefile()
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float = HANGS) -> int:
        """Return the exit code, negative for a signal; TimeoutError while it runs."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        if self.returncode is None:
            self._connection.setblocking(False)
            try:
                self._connection.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return None
        return self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Program(Fork):
    """A fork whose standard streams are pipes to us: what `subprocess.Popen` is for a child of our own."""

    def __init__(self, connection: socket.socket, stdin: int, stdout: int, stderr: int) -> None:
        super().__init__(connection)
        self.stdin = os.fdopen(stdin, "w", encoding="utf-8")
        self.stdout = os.fdopen(stdout, encoding="utf-8")
        self.stderr = os.fdopen(stderr, encoding="utf-8")

    def communicate(self, input: str = "", timeout: float = HANGS) -> tuple[str, str]:
        """Write to its standard input, and return what it says to its end on the two others."""
        with ThreadPoolExecutor(2) as readers:
            said = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            if not self.stdin.closed:
                with suppress(BrokenPipeError), self.stdin:  # it may end without reading it
                    self.stdin.write(input)
            try:
                self.wait(timeout)
            except TimeoutError:
                self.kill()
                raise
            out, err = (each.result(timeout) for each in said)
            return out, err

    def close(self) -> None:
        """End it if it runs, and give the pipes back."""
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with suppress(BrokenPipeError):
                stream.close()


class Nursery:
    """The process that forks them; see `tests.nursery`."""

    def __init__(self, folder: Path) -> None:
        self._door = folder / "door"
        command = [sys.executable, "-m", "tests.nursery", str(self._door)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment(), cwd=_ROOT
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def fork(self, order: Order, *streams: IO[Any]) -> Fork:
        """Fork a program with these standard streams."""
        return Fork(self._order(order, [stream.fileno() for stream in streams]))

    def start(self, *arguments: str | Path, **more: str) -> Program:
        """Start the program with pipes; keyword arguments are variables of its environment."""
        order = Order([str(each) for each in arguments], environment(**more))
        (stdin, ours_in), (ours_out, stdout), (ours_err, stderr) = os.pipe(), os.pipe(), os.pipe()
        connection = self._order(order, [stdin, stdout, stderr])
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
        return Program(connection, ours_in, ours_out, ours_err)

    def _order(self, order: Order, streams: Sequence[int]) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._door))
        data = msgspec.json.encode(order)
        assert len(data) <= LONGEST
        socket.send_fds(connection, [data], list(streams))
        return connection

    def run(self, *arguments: str | Path, input: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        program = self.start(*arguments, **more)
        try:
            out, err = program.communicate(input)
            return subprocess.CompletedProcess([*map(str, arguments)], program.wait(), out, err)
        finally:
            program.close()

    def close(self) -> None:
        """End it, and with it what it has forked and still runs."""
        self._process.kill()
        self._process.communicate()
