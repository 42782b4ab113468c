"""The file of `hubbub batch --out`: one line a row, in order, continued where an earlier one stopped."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from runtime.errors import CannotStart, StorageError


class AnswerLines:
    """What is in the file already stays as far as it is what would be written; the rest is written anew.

    Whole lines leave with one system call each time, so a process that is killed leaves at most its last
    one cut off, and the next one writes that again.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file; CannotStart when it cannot be written, or somebody else does."""
        self._path, self._kept, self._comparing = path, 0, True
        if path.exists() and not path.is_file():
            raise CannotStart(f"{path} is no file; name another --out, or leave it out.")
        try:
            self._new = path.open("ab", buffering=0)
            self._old = path.open("rb")
        except OSError as error:
            raise CannotStart(f"{path} cannot be written ({error.strerror}); name another --out.") from error
        try:
            fcntl.flock(self._new, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"{path} is being written by another process; wait until it is done.") from None

    def check(self, first: Any) -> None:
        """Refuse a file that holds something else than answers to rows of which this is the `first` input."""
        line = self._old.readline()
        self._old.seek(0)
        if line and not _answers(line, first):
            raise CannotStart(f"{self._path} holds something else; name another --out, or move it away.")

    def write(self, lines: Sequence[bytes]) -> None:
        """Write the next lines; StorageError when the disk is full, or nothing can be written any more."""
        rest = list(lines)
        while rest and self._comparing:
            if (found := self._old.readline()) == rest[0]:
                self._kept += len(found)
                rest.pop(0)
            else:
                self._cut()
        data = memoryview(b"".join(rest))
        with self._writing():
            while data:
                data = data[self._new.write(data) or 0 :]

    def finish(self) -> None:
        """Cut off what is behind the last line, and have it all on disk."""
        if self._comparing:
            self._cut()
        with self._writing():
            os.fsync(self._new.fileno())

    def close(self) -> None:
        """Close it as it is."""
        self._old.close()
        self._new.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be written any more ({error.strerror}); mend that, then run this "
                "again: it goes on where it was."
            ) from error

    def _cut(self) -> None:
        self._comparing = False
        os.ftruncate(self._new.fileno(), self._kept)


def _answers(line: bytes, first: Any) -> bool:
    if not line.endswith(b"\n"):  # cut off while it was written
        return line.startswith(b'{"row":1,"input":'[: len(line)])
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and found.get("row") == 1 and found.get("input") == first
