"""A process that has imported the program once and forks it for each start, so that a start costs no imports.

Each connection to its socket is one start: an order with the three standard streams as file descriptors.
It answers with the program's process id, and at its end with the exit code, negative for a signal.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import msgspec

import hub.app  # noqa: F401
import runtime.engine
import runtime.graphs.compile
import runtime.graphs.conditions
import runtime.graphs.templates
import runtime.journal.checkpoints
import runtime.runs.worker  # noqa: F401
from hub.cli import execute
from hub.cli.program import VERBS
from runtime.extensions import source
from tests.programs import LONGEST, Order

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main(path: str) -> None:
    """Take orders until the one who started this is gone."""
    for verb in VERBS:
        import_module(f"hub.cli.{verb}")
    for plugin in (Path(__file__).parents[1] / "plugins").glob("[a-z]*.py"):
        source.read(plugin)  # compiled once, here
    gc.freeze()  # else every collection of a child copies all of these pages
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    server.close()
                    _mind(connection)


def _mind(connection: socket.socket) -> NoReturn:
    """Fork the program and wait for its end; in the fork, become it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with_parent()
    data, streams, _, _ = socket.recv_fds(connection, LONGEST, 3)
    child = os.fork()
    if child == 0:
        connection.close()
        order = msgspec.json.decode(data, type=Order)
        _become(order, streams)
        sys.exit(execute(order.argv))
    for stream in streams:
        os.close(stream)
    connection.sendall(b"%d\n" % child)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(b"%d\n" % status)
    os._exit(0)


def _become(order: Order, streams: list[int]) -> None:
    if order.own_session:
        os.setsid()
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.executable, sys.argv = order.executable, ["hubbub", *order.argv]
    if order.ahead:
        _set_clock(order.ahead)


def _set_clock(ahead: float) -> None:
    """Set this process's clock, as Python sees it: setting the machine's is nobody's right in a test."""
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + ahead
    time.time_ns = lambda: nanoseconds() + int(ahead * 1e9)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
