"""Writing documents and passages; one transaction a batch, so that a kill at any moment leaves no doubles."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from runtime.search.data import Piece
from runtime.search.documents import Fingerprint
from runtime.search.schema import keyword_table, make_keyword_table

MAX_FIELDS = 64
MAX_VALUE = 256
"""Metadata beyond these bounds is kept and shown, but cannot be filtered by."""


Complaints: TypeAlias = Sequence[tuple[str, str]]
"""(Place, sentence) of what could not be read."""


@dataclass(frozen=True, slots=True)
class Known:
    """A document as it was indexed."""

    id: int
    path: str
    reader: str
    sha256: str
    size: int
    mtime_ns: int
    complaints: str = "[]"
    """What could not be read of it, as JSON: [place, sentence] pairs."""


class Store:
    """The writing side of one collection, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, collection: str) -> None:
        self.connection = connection
        self.tenant, self.name = tenant, collection
        with self.transaction():
            connection.execute(
                "INSERT OR IGNORE INTO collections (tenant, name) VALUES (?, ?)", (tenant, collection)
            )
            row = connection.execute(
                "SELECT id FROM collections WHERE tenant = ? AND name = ?", (tenant, collection)
            ).fetchone()
            self.id: int = row[0]
            make_keyword_table(connection, self.id)
        self._keywords = keyword_table(self.id)
        self._repeats: dict[str, int] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is written inside, or nothing of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def documents(self) -> dict[str, Known]:
        """Return what is indexed, by path."""
        rows = self.connection.execute(
            "SELECT id, path, reader, sha256, size, mtime_ns, complaints FROM documents WHERE collection = ?",
            (self.id,),
        )
        return {row[1]: Known(*row) for row in rows}

    def touch(self, document: int, seen: Fingerprint) -> None:
        """Remember the new time of a file whose content is the same."""
        with self.transaction():
            self.connection.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?",
                (seen.size, seen.mtime_ns, document),
            )

    def begin(self, path: str) -> tuple[int, int]:
        """Start to read a document; return its id and the generation of this reading."""
        self._repeats.clear()
        with self.transaction():
            row = self.connection.execute(
                "INSERT INTO documents (collection, path, sha256, size, mtime_ns, generation)"
                " VALUES (?, ?, '', 0, 0, 1) ON CONFLICT (collection, path)"
                " DO UPDATE SET sha256 = '', generation = generation + 1 RETURNING id, generation",
                (self.id, path),
            ).fetchone()
        return row[0], row[1]

    def add(self, document: int, generation: int, path: str, pieces: Sequence[Piece]) -> int:
        """Store pieces of a document; return how many are new.  Those it already had are kept."""
        with self.transaction():
            return sum([self._add(document, generation, path, piece) for piece in pieces])

    def finish(self, document: int, generation: int, seen: Fingerprint, complaints: Complaints) -> None:
        """The document was read to its end: passages that it no longer has leave."""
        with self.transaction():
            self._drop("document = ? AND generation < ?", (document, generation))
            self.connection.execute(
                "UPDATE documents SET reader = ?, sha256 = ?, size = ?, mtime_ns = ?, complaints = ?"
                " WHERE id = ?",
                (
                    seen.reader,
                    seen.sha256,
                    seen.size,
                    seen.mtime_ns,
                    orjson.dumps(complaints).decode(),
                    document,
                ),
            )

    def remove(self, document: int) -> None:
        """Take a document out, with its passages; their vectors follow."""
        with self.transaction():
            self._drop("document = ?", (document,))
            self.connection.execute("DELETE FROM documents WHERE id = ?", (document,))

    def _add(self, document: int, generation: int, path: str, piece: Piece) -> bool:
        spans = json.dumps([end for span in piece.spans for end in span], separators=(",", ":"))
        metadata = orjson.dumps(dict(piece.metadata)).decode()
        first = self._key(path, piece, 0)
        occurrence = self._repeats.get(first, 0)
        while True:
            key = self._key(path, piece, occurrence) if occurrence else first
            row = self.connection.execute(
                "SELECT id, generation, line, metadata FROM passages WHERE key = ?", (key,)
            ).fetchone()
            if row is None or row[1] < generation:
                break
            occurrence += 1  # the same passage twice in one document
        if occurrence:
            # The next one need not look again at all those before it.
            self._repeats[first] = occurrence + 1
        if row is None:
            self._insert(key, document, generation, piece, spans, metadata)
            return True
        self.connection.execute(
            "UPDATE passages SET generation = ?, line = ?, page = ?, spans = ?, metadata = ?,"
            " sentences_stored = sentences_stored AND spans = ? WHERE id = ?",
            (generation, piece.line, piece.page, spans, metadata, spans, row[0]),
        )
        if row[3] != metadata or (row[2] != piece.line and piece.record is not None):
            self.connection.execute("DELETE FROM fields WHERE passage = ?", (row[0],))
            self._insert_fields(row[0], document, piece)
        return False

    def _key(self, path: str, piece: Piece, occurrence: int) -> str:
        parts = (self.tenant, self.name, path, piece.record or "", piece.title, piece.text, str(occurrence))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def _insert(
        self, key: str, document: int, generation: int, piece: Piece, spans: str, metadata: str
    ) -> None:
        cursor = self.connection.execute(
            "INSERT INTO passages (key, collection, document, record, title, text, line, page, spans,"
            " metadata, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                self.id,
                document,
                piece.record,
                piece.title,
                piece.text,
                piece.line,
                piece.page,
                spans,
                metadata,
                generation,
            ),
        )
        passage = cursor.lastrowid or 0
        self.connection.execute(
            f"INSERT INTO {self._keywords} (rowid, title, text) VALUES (?, ?, ?)",  # noqa: S608
            (passage, piece.title, piece.text),
        )
        self.connection.execute("DELETE FROM vector_deletes WHERE collection = ? AND key = ?", (self.id, key))
        self._insert_fields(passage, document, piece)

    def _insert_fields(self, passage: int, document: int, piece: Piece) -> None:
        unit = (document << 32) + (0 if piece.record is None else piece.line)
        rows = [(self.id, name, value, passage, unit) for name, value in field_values(piece.metadata)]
        self.connection.executemany("INSERT OR IGNORE INTO fields VALUES (?, ?, ?, ?, ?)", rows)

    def _drop(self, where: str, values: tuple[int, ...]) -> None:
        """Delete passages and what hangs on them; `where` is one of the constant texts above."""
        chosen = f"SELECT id FROM passages WHERE {where}"  # noqa: S608
        self.connection.execute(
            f"INSERT INTO {self._keywords} ({self._keywords}, rowid, title, text)"  # noqa: S608
            f" SELECT 'delete', id, title, text FROM passages WHERE {where}",
            values,
        )
        self.connection.execute(
            "INSERT OR IGNORE INTO vector_deletes (collection, key)"  # noqa: S608
            f" SELECT collection, key FROM passages WHERE {where}",
            values,
        )
        for table in ("sentence_vectors", "fields"):
            self.connection.execute(f"DELETE FROM {table} WHERE passage IN ({chosen})", values)  # noqa: S608
        self.connection.execute(f"DELETE FROM passages WHERE {where}", values)  # noqa: S608


def field_values(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, value as JSON) of what can be filtered by: scalars, and the scalars of lists."""
    for name, value in list(metadata.items())[:MAX_FIELDS]:
        for item in value[:MAX_FIELDS] if isinstance(value, list) else [value]:
            if not isinstance(item, dict | list) and len(written := field_value(item)) <= MAX_VALUE:
                yield name, written


def field_value(value: Any) -> str:
    """Write a scalar so that equal values are equal texts: 3 and 3.0 are, 3 and "3" are not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)
