"""Reads a file that somebody may be editing: whole, once it stands still, and never too much of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from stat import S_ISREG

from runtime.toml import MAX_BYTES

_TRIES = 5
_PAUSE = 0.05
"""Seconds until a file that changed while it was read is read again."""


class Unreadable(Exception):
    """A file that cannot be read: why, and what to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message, self.help = message, help


def read_source(path: Path) -> bytes:
    """Return the bytes of a file, of a huge one only the beginning; Unreadable."""
    try:
        if not S_ISREG(path.stat().st_mode):  # a pipe would be read for ever
            raise Unreadable("this is no file with text in it", "move it away")
        for _ in range(_TRIES):
            if (found := _read(path)) is not None:
                return found
            time.sleep(_PAUSE)
    except OSError as error:
        raise Unreadable(
            f"the file cannot be read ({error.strerror})", "mend that or move it away"
        ) from error
    raise Unreadable("the file changes all the time", "save it once more when nobody else writes it")


def _read(path: Path) -> bytes | None:
    """Return the bytes; None when the file changed meanwhile."""
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        found = file.read(MAX_BYTES + 1)
        after = os.fstat(file.fileno())
    same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    return found if same and len(found) == min(after.st_size, MAX_BYTES + 1) else None
