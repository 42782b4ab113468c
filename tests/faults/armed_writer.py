"""The journal's writer with a trap in it: it kills at an exact place among the hub's writes.

A hub of these tests starts this in place of its interpreter.  Whatever is no writer is handed on.  The
writer is the real one; only `commit` is watched: when the request that the trap in `FILE` names comes
by, the writer kills the trap's victims right before or right after that request's commit, or inside its
transaction, and takes the trap away.  What came in the same batch before that request is committed.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from runtime.journal import writer
from runtime.journal.writer import Outcome, Request

FILE = "trap.json"
_SLOWLY = 0.1
_WRITER = ["-m", "runtime.journal.writer"]


class Trap(msgspec.Struct, frozen=True):
    """Springs at the request that holds `statement` with `value` among its parameters.

    `victims`: "both" leaves what was handed over to nobody; after "hub" the writer goes on with what is
    in its pipe; "writer" leaves the hub alive.  The disk is slow just then, so that a hub which shows
    what is not written yet is caught.
    """

    statement: str
    moment: Literal["before", "inside", "after"] = "before"
    victims: Literal["both", "hub", "writer"] = "both"
    value: str = ""

    def springs_at(self, request: Request) -> bool:
        """Whether this is the request."""
        return any(
            name == self.statement and (not self.value or self.value in map(str, parameters))
            for name, parameters in request[1]
        )


class _Place(NamedTuple):
    trap: Trap
    at: int


def main(arguments: list[str]) -> None:
    """Be the writer, or what else the hub would have started."""
    if arguments[:2] != _WRITER:
        os.execv(sys.executable, [sys.executable, *arguments])
    sys.argv = arguments[1:]
    file, commit = Path(arguments[2]).with_name(FILE), writer.commit

    def watched(
        database: sqlite3.Connection,
        boot: str,
        batch: list[Request],
        arrived: Callable[[], list[Request]] = list,
    ) -> list[Outcome]:
        batch += arrived()  # now, so that what springs a trap is seen before it is committed
        if (place := _sprung(file, batch)) is None:
            return commit(database, boot, batch)
        trap, at = place
        file.unlink()
        time.sleep(_SLOWLY)
        # A hub that lives on has to be told of its batch as a whole.
        head = [] if trap.victims == "writer" else batch[:at]
        if head:
            commit(database, boot, head)
        if trap.moment == "inside":
            database.execute("BEGIN IMMEDIATE")
            writer.apply(database, batch[at])
        elif trap.moment == "after":
            commit(database, boot, batch if trap.victims == "writer" else [batch[at]])
        _kill(trap)
        done = len(head) + (trap.moment == "after")
        return commit(database, boot, batch[done:]) if batch[done:] else []

    writer.commit = watched
    writer.main()


def _sprung(file: Path, batch: list[Request]) -> _Place | None:
    try:
        trap = msgspec.json.decode(file.read_bytes(), type=Trap)
    except FileNotFoundError:
        return None
    return next((_Place(trap, at) for at, request in enumerate(batch) if trap.springs_at(request)), None)


def _kill(trap: Trap) -> None:
    if trap.victims != "writer":
        os.kill(os.getppid(), signal.SIGKILL)
    if trap.victims != "hub":
        os.kill(os.getpid(), signal.SIGKILL)
