"""The writer process: takes requests from a pipe, commits what has gathered in one transaction, answers.

It runs outside the hub's interpreter because a commit beside a busy event loop waits for the GIL
(FACTS: p95 98 to 222 ms in a thread, 2.4 ms in a process).  While it syncs one batch the next one
gathers in the pipe, so the batch grows with the load and the cost of a sync is shared.

When a batch cannot be written it is lost as a whole, and so is what had been handed over before the
hub heard of that: a write that follows another never lands without it.

Frames are a 4-byte big-endian length and MessagePack.  In: `[id, losses, [[name, parameters], ...]]`,
the number of lost batches the hub has heard of.  Out: first a greeting, then a batch's
`[losses, [[id, refusal], ...]]`, where an empty refusal means committed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from runtime.journal.statements import SCHEMA, SCHEMA_VERSION, STATEMENTS

Request = tuple[int, int, list[tuple[str, list[object]]]]
Outcome = tuple[int, str]

_LENGTH = struct.Struct(">I")
_READ = 1 << 20
_LOST = "storage: an earlier write was lost"
_decode = msgspec.msgpack.Decoder(Request).decode
_encode = msgspec.msgpack.Encoder().encode


def frame(message: object) -> bytes:
    """Return a message as it goes over the pipe."""
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every whole frame's body."""
        self._rest += data
        start, size = 0, len(self._rest)
        while size - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, start)
            end = start + _LENGTH.size + length
            if end > size:
                break
            yield bytes(self._rest[start + _LENGTH.size : end])
            start = end
        del self._rest[:start]


def open_database(path: str, durability: str) -> sqlite3.Connection:
    """Open (or make) the database for writing; raises sqlite3.DatabaseError or ValueError with a sentence."""
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
    database.execute("PRAGMA cache_size = -32768")
    database.execute("PRAGMA recursive_triggers = ON")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{path} was written by a newer Hubbub (schema {version}, this one knows {SCHEMA_VERSION}); "
            "upgrade Hubbub, or serve another workspace."
        )
    if version == 0:
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ValueError(f"{path} is a database of another program; move it away, or set [storage] path.")
        database.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return database


def apply(database: sqlite3.Connection, request: Request) -> Outcome:
    """Run one request inside the open transaction: all of it, or nothing and the reason."""
    number, _, statements = request
    several = len(statements) > 1
    if several:
        database.execute("SAVEPOINT request")
    refusal = ""
    try:
        for name, parameters in statements:
            statement = STATEMENTS[name]
            changed = database.execute(statement.sql, parameters).rowcount
            if statement.refusal and changed < 1:
                refusal = statement.refusal
                break
    except sqlite3.IntegrityError:
        refusal = statement.refusal or "conflict"
    except (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError) as error:
        refusal = f"storage: {error}"  # a value that no database could keep: its neighbours are innocent
    if several:
        if refusal:
            database.execute("ROLLBACK TO request")
        database.execute("RELEASE request")
    return number, refusal


def commit(database: sqlite3.Connection, boot: str, batch: list[Request], losses: int = 0) -> list[Outcome]:
    """Commit a batch in one transaction and return each request's outcome.

    A request handed over by a hub that had not heard of all losses is lost too.

    The outcomes are stored with the batch: a hub whose writer died before it answered asks the next
    one what became of the batch, instead of guessing.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [
            apply(database, request) if request[1] == losses else (request[0], _LOST) for request in batch
        ]
        database.execute("UPDATE writer SET boot = ?, outcomes = ?", (boot, _encode(outcomes)))
        database.execute("COMMIT")
    except sqlite3.Error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return outcomes


def serve(database: sqlite3.Connection, boot: str, losses: int, source: int, sink: int) -> None:
    """Commit batches until the pipe closes.  `losses` is how many the hub has heard of."""
    frames = Frames()
    while data := os.read(source, _READ):
        batch = [_decode(body) for body in frames.feed(data)]
        if not batch:
            continue
        try:
            outcomes = commit(database, boot, batch, losses)
        except sqlite3.Error as error:
            losses += 1
            outcomes = [(number, f"storage: {error}") for number, *_ in batch]
        _send(sink, (losses, outcomes))


def _send(sink: int, message: object) -> None:
    data = memoryview(frame(message))
    while data:
        data = data[os.write(sink, data) :]


def main() -> None:
    """Serve requests from file descriptor 0 to 1; arguments: database, durability, boot id, losses."""
    path, durability, boot, losses = sys.argv[1:]
    # The hub decides when to stop: it closes the pipe after its last write.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        database = open_database(path, durability)
        last_boot, outcomes = database.execute("SELECT boot, outcomes FROM writer").fetchone()
    except (sqlite3.Error, ValueError) as error:
        _send(1, {"error": str(error), "boot": "", "outcomes": []})
        return
    with suppress(AttributeError, OSError):  # where pipes cannot be widened, batches are smaller
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, _READ)
    _send(1, {"error": "", "boot": last_boot, "outcomes": msgspec.msgpack.decode(outcomes)})
    serve(database, boot, int(losses), 0, 1)
    database.close()


if __name__ == "__main__":
    main()
