"""A process that has imported the program once and forks hubs from itself, so that a start costs no imports.

Each line on standard input is an order, each line on standard output its answer:
`{"argv", "log", "writer", "clock"}` starts a hub as `hubbub ARGV` and answers with its process id,
`{"wait"}` answers with the exit code of such a process, negative for a signal.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

import hub.app
import hub.cli.serve  # noqa: F401
import runtime.engine
import runtime.journal.checkpoints
import runtime.runs.worker  # noqa: F401
from hub.cli import main as program

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """Take orders until the one who gives them is gone."""
    for line in sys.stdin:
        order = json.loads(line)
        print(_wait(order["wait"]) if "wait" in order else _fork(order), flush=True)


def _fork(order: dict[str, Any]) -> int:
    return os.fork() or _become(order["argv"], order["log"], order["writer"], order["clock"])


def _become(argv: list[str], log: str, writer: str, clock: float) -> NoReturn:
    os.setsid()
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.executable = writer  # what the journal starts its writer with
    sys.argv = ["hubbub", *argv]
    _set_clock(clock)
    try:
        program()
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    os._exit(0)


def _set_clock(ahead: float) -> None:
    """Set this process's clock, as Python sees it: setting the machine's is nobody's right in a test."""
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + ahead
    time.time_ns = lambda: nanoseconds() + int(ahead * 1e9)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
