"""What a file is, before it is read as a table: its hash, and how its text is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import CannotStart
from runtime.search.formats.encoding import Bytes, Guess
from runtime.search.formats.source import NotReadable

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file, its SHA-256, and the encoding of its text."""

    path: Path
    sha256: str
    encoding: str
    written: tuple[int, int]
    """Its size and when it was changed last, in nanoseconds."""

    def check(self) -> None:
        """CannotStart when it was written meanwhile."""
        if _written(self.path) != self.written:
            raise CannotStart(f"{self.path} was written while it was read; run this again when it is whole.")

    @property
    def guessed(self) -> bool:
        """Whether the encoding is a guess: nothing in the file says it."""
        return not self.encoding.startswith("utf-")


def examine(path: Path, *, text: bool) -> TableFile:
    """Read a file once, in blocks; CannotStart when it is empty, cannot be read, or is no `text`."""
    hash, judge, size = hashlib.sha256(), Guess() if text else Bytes(), 0
    try:
        written = _written(path)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                hash.update(block)
                judge.see(block)
                size += len(block)
        encoding = judge.encoding()
    except OSError as error:
        raise CannotStart(f"{path} cannot be read ({error.strerror}); name another file.") from error
    except NotReadable as error:
        raise CannotStart(f"{path}: {error}") from error
    if not size:
        raise CannotStart(f"{path} is empty; name a file with rows.")
    return TableFile(path, hash.hexdigest(), encoding, written)


def whole(text: str) -> bool:
    """Whether all bytes of a text could be decoded."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _written(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns


UNDECODED = "It is not in the encoding of the rest; save the file as UTF-8."
"""The problem of a row with bytes that could not be decoded."""
