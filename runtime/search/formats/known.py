"""The formats that are read, by the names of their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.search.data import Piece
from runtime.search.formats.delimited import read_delimited
from runtime.search.formats.docx import read_docx
from runtime.search.formats.encoding import Bytes, Guess, Judge, Unicode
from runtime.search.formats.html import read_html
from runtime.search.formats.json_lines import read_json_lines
from runtime.search.formats.markdown import read_markdown
from runtime.search.formats.pdf import read_pdf
from runtime.search.formats.source import NotReadable, Source
from runtime.search.formats.text import read_text

Read = Callable[[Source], Iterator[Piece]]
"""Yields the pieces of a file; raises NotReadable before the first of them, or not at all."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: who reads it, and who judges its encoding.

    `reader` changes whenever the pieces do that a file is cut into: then unchanged files are read again.
    """

    reader: str
    suffixes: tuple[str, ...]
    read: Read
    judge: Callable[[], Judge]


TEXT = Format("text 1", (".txt", ".text", ".rst"), read_text, Unicode)
FORMATS = (
    TEXT,
    Format("markdown 1", (".md", ".markdown"), read_markdown, Unicode),
    Format("json lines 1", (".jsonl", ".ndjson"), read_json_lines, Bytes),
    Format("delimited 2", (".csv", ".tsv"), read_delimited, Guess),
    Format("html 2", (".html", ".htm", ".xhtml"), read_html, Bytes),
    Format("pdf 1", (".pdf",), read_pdf, Bytes),
    Format("docx 1", (".docx",), read_docx, Bytes),
)
BY_SUFFIX = {suffix: format for format in FORMATS for suffix in format.suffixes}
UNREAD = frozenset({".doc", ".odt", ".rtf", ".xlsx", ".xls", ".pptx", ".epub"})
"""Formats in which people keep documents, and which are not read: said instead of passed over."""


def is_document(name: str) -> bool:
    """Whether a file in a folder is one to read, or at least to speak of."""
    return (suffix := Path(name).suffix.lower()) in BY_SUFFIX or suffix in UNREAD


def format_of(path: Path) -> Format:
    """Return a file's format; what is none of them is read as text.  NotReadable when it is an unread one."""
    suffix = path.suffix.lower()
    if suffix in UNREAD:
        raise NotReadable(f"{suffix} files are not read; save it as PDF, DOCX, HTML, CSV, Markdown or text.")
    return BY_SUFFIX.get(suffix, TEXT)
