"""Which files there are to index, whether they have changed, and who reads them."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.search.data import Piece
from runtime.search.formats import Advance, Complain, read_json_lines, read_markdown, read_text

MARKDOWN = frozenset({".md", ".markdown"})
TEXT = frozenset({".txt", ".text", ".rst"})
JSON_LINES = frozenset({".jsonl", ".ndjson"})
DOCUMENTS = frozenset({".pdf", ".docx", ".doc", ".odt", ".rtf", ".html", ".htm", ".csv", ".tsv", ".xlsx"})
"""Formats in which people keep documents, and which are not read: said instead of passed over."""

_BLOCK = 1024 * 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class NotReadable(Exception):
    """The content of a file cannot be text; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether a file is the same as before."""

    size: int
    mtime_ns: int
    sha256: str = ""
    encoding: str = "utf-8"


def find_documents(path: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files to read below a folder, sorted; hidden ones and unknown kinds are passed over.

    `on_error` is told of folders that cannot be listed.
    """
    known = MARKDOWN | TEXT | JSON_LINES | DOCUMENTS
    for folder, folders, files in os.walk(path, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in known:
                yield Path(folder, name)


def look(path: Path) -> Fingerprint:
    """Return size and time of a file, without opening it; OSError when it cannot be reached.

    NotReadable when it is no file: a pipe would be waited for without end.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise NotReadable("This is no file but a pipe, a socket or a device; leave it out.")
    return Fingerprint(status.st_size, status.st_mtime_ns)


def check(path: Path, seen: Fingerprint) -> Fingerprint:
    """Read a file once to hash it and to see that it is text; NotReadable says why it is not.

    JSON Lines are not decoded here: there, each line is judged for itself.
    """
    suffix = path.suffix.lower()
    if suffix in DOCUMENTS:
        raise NotReadable(f"{suffix} files cannot be read yet; convert it to Markdown, text or JSON Lines.")
    digest = hashlib.sha256()
    encoding, decoder = "utf-8", None
    with path.open("rb") as file:
        first = True
        while block := file.read(_BLOCK):
            digest.update(block)
            if suffix in JSON_LINES:
                continue
            if first:
                encoding = next((name for mark, name in _MARKS if block.startswith(mark)), "utf-8")
                decoder = codecs.getincrementaldecoder(encoding)()
                first = False
            if encoding != "utf-16" and b"\0" in block:
                raise NotReadable(
                    "This looks like a binary file, not text; leave it out or convert it to text."
                )
            _decode(decoder, block)
    if decoder is not None:
        _decode(decoder, b"", final=True)
    return Fingerprint(seen.size, seen.mtime_ns, digest.hexdigest(), encoding)


def _decode(decoder: codecs.IncrementalDecoder | None, block: bytes, *, final: bool = False) -> None:
    try:
        if decoder is not None:
            decoder.decode(block, final)
    except UnicodeError:
        raise NotReadable("The file is not UTF-8 text; save it as UTF-8.") from None


def read_document(path: Path, encoding: str, advance: Advance, complain: Complain) -> Iterator[Piece]:
    """Yield the pieces of one file, by its format; what is no known format is read as text."""
    suffix = path.suffix.lower()
    if suffix in JSON_LINES:
        return read_json_lines(path, advance, complain)
    if suffix in MARKDOWN:
        return read_markdown(path, encoding, advance)
    return read_text(path, encoding, advance)
