"""Pieces of records, which have an id, a title, a text and whatever else they have as metadata."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.search.data import Piece
from runtime.search.formats.source import BadLine
from runtime.search.sentences import Span, find_spans, sentence_spans
from runtime.search.splitter import split_text

RECORD_LIMIT = 4_000
"""Characters up to which a record stays one passage."""


class Records:
    """The records of one file; an id that an earlier one has is refused.

    The ids are kept on disk, so that the file may be of any size.
    """

    def __init__(self) -> None:
        self._ids = sqlite3.connect("", isolation_level=None)  # a temporary file of SQLite's own
        self._ids.execute("PRAGMA journal_mode = OFF")
        self._ids.execute("CREATE TABLE ids (id BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._ids.execute("BEGIN")

    def close(self) -> None:
        """Forget the ids."""
        self._ids.close()

    def pieces(self, record: Mapping[str, Any], line: int) -> Iterator[Piece]:
        """Yield one passage, or more where the text is long; BadLine says why it is no record.

        `id` or `_id`, `title` and `text` are used; `sentences`, where they make up the text, are its
        sentences; the rest is metadata.
        """
        given = record.get("id", record.get("_id"))
        id = "" if given is None else str(given)
        title, text = _title_and_text(record)
        self._take(id, line)
        known = _known_sentences(record, text)
        used = {"id", "_id", "title", "text"} | ({"sentences"} if known is not None else set())
        metadata = {key: value for key, value in record.items() if key not in used}
        for start, end in (
            [(0, len(text))] if len(text.strip()) <= RECORD_LIMIT else split_text(text, RECORD_LIMIT)
        ):
            part = text[start:end]
            yield Piece(
                text=part.strip(),
                title=title,
                line=line,
                record=id,
                spans=_shifted(known, start, end, part) or sentence_spans(part.strip()),
                metadata=metadata,
            )

    def _take(self, id: str, line: int) -> None:
        """Note where an id was seen."""
        if not id:
            return
        key = hashlib.blake2b(id.encode(), digest_size=16).digest()
        if self._ids.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (key, line)).rowcount:
            return
        (first,) = self._ids.execute("SELECT line FROM ids WHERE id = ?", (key,)).fetchone()
        raise BadLine(f'the id "{id[:80]}" is that of line {first} already; give each record its own.')


def _title_and_text(record: Mapping[str, Any]) -> tuple[str, str]:
    title, text = record.get("title") or "", record.get("text") or ""
    if not isinstance(title, str) or not isinstance(text, str):
        raise BadLine('"title" and "text" must be strings; quote them.')
    title, text = title.replace("\0", " ").strip(), text.replace("\0", " ")
    if text.strip():
        return title, text
    if not title:
        raise BadLine('no "text"; every record needs one.')
    return title, title


def _known_sentences(record: Mapping[str, Any], text: str) -> tuple[Span, ...] | None:
    sentences = record.get("sentences")
    if isinstance(sentences, list) and all(isinstance(item, str) for item in sentences):
        return find_spans(text, sentences)
    return None


def _shifted(known: tuple[Span, ...] | None, start: int, end: int, part: str) -> tuple[Span, ...]:
    """Return the known sentences inside start..end, relative to the stripped part; () where one is cut."""
    if known is None:
        return ()
    offset = start + len(part) - len(part.lstrip())
    inside = tuple((a - offset, b - offset) for a, b in known if a >= start and b <= end)
    cut = any(a < end and b > start and not (a >= start and b <= end) for a, b in known)
    return () if cut else inside
