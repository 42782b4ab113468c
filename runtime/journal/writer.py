"""The writer process: takes requests from a pipe, commits what has gathered in one transaction, answers.

It runs outside the hub's interpreter because a commit beside a busy event loop waits for the GIL
(FACTS: p95 98 to 222 ms in a thread, 2.4 ms in a process).  While it syncs one batch the next one
gathers in the pipe, and what arrives while a batch is applied joins it, so the batch grows with the load
and the cost of a sync is shared.

A batch that cannot be written now (the disk is full, the database is locked) is tried again until it
can, and whatever comes after it waits: what was handed over is never lost and never out of order.

Frames are a 4-byte big-endian length and MessagePack.  In: `[id, [[name, parameters], ...]]`.
Out: first a greeting, then `[[id, refusal], ...]` a batch, where an empty refusal means committed; the
id 0 (`TROUBLE`) says instead why the batch under way cannot be written yet.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

from runtime.journal.statements import ADDITIONS, SCHEMA, SCHEMA_VERSION, STATEMENTS

Request = tuple[int, list[tuple[str, list[object]]]]
Outcome = tuple[int, str]

TROUBLE = 0

_LENGTH = struct.Struct(">I")
_READ = 1 << 20
_BATCH = 512
"""Requests in a batch after which no more join it."""
_AGAIN = 0.25
"""Seconds until a batch is tried again."""
_PASSING = {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL),
}
"""Failures of the disk or the machine that somebody can mend while we wait."""
_OTHER_WRITER = 30.0
"""Seconds that the writer of a killed hub has to finish what it was handed."""
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
    database = sqlite3.connect(path, isolation_level=None, timeout=5)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
    database.execute("PRAGMA cache_size = -32768")
    # Not every few commits: copying pages back is a sync of its own, in the middle of somebody's commit.
    database.execute("PRAGMA wal_autocheckpoint = 4000")
    database.execute("PRAGMA recursive_triggers = ON")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{path} was written by a newer Hubbub (schema {version}, this one knows {SCHEMA_VERSION}); "
            "upgrade Hubbub, or serve another workspace."
        )
    if 0 < version < SCHEMA_VERSION:
        raise ValueError(
            f"{path} was written by an earlier Hubbub (schema {version}, this one needs {SCHEMA_VERSION}), "
            "which was never released; move it away, or set [storage] path."
        )
    if version == 0:
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ValueError(f"{path} is a database of another program; move it away, or set [storage] path.")
        database.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    database.executescript(f"BEGIN; {ADDITIONS} COMMIT;")
    return database


def apply(database: sqlite3.Connection, request: Request) -> Outcome:
    """Run one request inside the open transaction: all of it, or nothing and the reason."""
    number, statements = request
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


def commit(
    database: sqlite3.Connection,
    boot: str,
    batch: list[Request],
    arrived: Callable[[], list[Request]] = list,
) -> list[Outcome]:
    """Commit a batch in one transaction and return each request's outcome; what `arrived` joins the batch.

    The outcomes are stored with the batch: a hub whose writer died before it answered asks the next
    one what became of the batch, instead of guessing.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        outcomes, joining = list[Outcome](), batch
        while joining:
            outcomes += [apply(database, request) for request in joining]
            joining = arrived() if len(outcomes) < _BATCH else []
            batch += joining
        database.execute("UPDATE writer SET boot = ?, outcomes = ?", (boot, _encode(outcomes)))
        database.execute("COMMIT")
    except sqlite3.Error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return outcomes


def persist(
    database: sqlite3.Connection,
    boot: str,
    batch: list[Request],
    say: Callable[[str], None],
    arrived: Callable[[], list[Request]] = list,
) -> list[Outcome]:
    """Commit a batch, however long that takes; `say` is told why it cannot be written yet."""
    while True:
        try:
            return commit(database, boot, batch, arrived)
        except sqlite3.Error as error:
            say(str(error))
            if error.sqlite_errorcode & 0xFF not in _PASSING:
                raise
            time.sleep(_AGAIN)


def serve(database: sqlite3.Connection, boot: str, source: int, sink: int) -> None:
    """Commit batches until the pipe closes, also those of a hub that was killed and reads no answer."""
    frames = Frames()

    def arrived() -> list[Request]:
        ready = select.select([source], [], [], 0)[0]
        return [_decode(body) for body in frames.feed(os.read(source, _READ))] if ready else []

    while data := os.read(source, _READ):
        if batch := [_decode(body) for body in frames.feed(data)]:
            outcomes = persist(database, boot, batch, lambda why: _send(sink, [(TROUBLE, why)]), arrived)
            with suppress(BrokenPipeError):
                _send(sink, outcomes)


def _send(sink: int, message: object) -> None:
    data = memoryview(frame(message))
    while data:
        data = data[os.write(sink, data) :]


def wait_for_others(path: str) -> None:
    """Become the database's only writer; raises ValueError when another one does not end."""
    lock = os.open(f"{path}-writer", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _OTHER_WRITER
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until this process ends
        if time.monotonic() > until:
            raise ValueError(f"Another process still writes to {path}; end it, then start the hub again.")
        time.sleep(0.01)


def _greet(error: str = "", boot: str = "", outcomes: Sequence[Outcome] = ()) -> None:
    _send(1, {"error": error, "boot": boot, "outcomes": outcomes})


def main() -> None:
    """Serve requests from file descriptor 0 to 1; arguments: database, durability, boot id."""
    path, durability, boot = sys.argv[1:]
    # The hub decides when to stop: it closes the pipe after its last write.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        wait_for_others(path)
        database = open_database(path, durability)
        last_boot, outcomes = database.execute("SELECT boot, outcomes FROM writer").fetchone()
    except (OSError, sqlite3.Error) as error:
        advice = "restore it from a backup, or move it away to start with an empty one."
        _greet(error=f"The journal {path} cannot be opened ({error}); {advice}")
        return
    except ValueError as error:
        _greet(error=str(error))
        return
    with suppress(AttributeError, OSError):  # where pipes cannot be widened, batches are smaller
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, _READ)
    _greet(boot=last_boot, outcomes=msgspec.msgpack.decode(outcomes))
    with suppress(BrokenPipeError):  # the hub is gone, and what it was told nothing of cannot be written
        serve(database, boot, 0, 1)
    with suppress(sqlite3.Error):  # so that a copy of the one file is a whole backup
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


if __name__ == "__main__":
    main()
