"""Which files there are to index, whether they have changed, and who reads them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.search.data import Piece
from runtime.search.formats.known import format_of, is_document
from runtime.search.formats.source import Advance, Complain, NotReadable, Source

_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether a file is the same as before, and read by the same reader."""

    size: int
    mtime_ns: int
    reader: str
    sha256: str = ""
    encoding: str = "utf-8"


def find_documents(path: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files to read below a folder, sorted; hidden ones and unknown kinds are passed over.

    `on_error` is told of folders that cannot be listed.
    """
    for folder, folders, files in os.walk(path, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for name in sorted(files):
            if not name.startswith((".", "~$")) and is_document(name):
                yield Path(folder, name)


def look(path: Path) -> Fingerprint:
    """Return size and time of a file, without opening it; OSError when it cannot be reached.

    NotReadable when it is of a format that is not read, or no file: a pipe would be waited for without end.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise NotReadable("This is no file but a pipe, a socket or a device; leave it out.")
    return Fingerprint(status.st_size, status.st_mtime_ns, format_of(path).reader)


def check(path: Path, seen: Fingerprint) -> Fingerprint:
    """Read a file once to hash it and to find its encoding; NotReadable when it cannot be text."""
    digest, judge = hashlib.sha256(), format_of(path).judge()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            judge.see(block)
    return Fingerprint(seen.size, seen.mtime_ns, seen.reader, digest.hexdigest(), judge.encoding())


def read_document(path: Path, encoding: str, advance: Advance, complain: Complain) -> Iterator[Piece]:
    """Return the pieces of one file as they are read; NotReadable, at once, when there can be none."""
    return format_of(path).read(Source(path, encoding, advance, complain))
