"""Reading passages from the index, and making hits of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from runtime.types import Hit

_AT_ONCE = 500


class Row(NamedTuple):
    """A passage as it is stored, with its document's path."""

    id: int
    key: str
    document: int
    record: str | None
    title: str
    text: str
    line: int
    page: int
    metadata: str
    path: str

    @property
    def source_id(self) -> str:
        """What a hit calls its document: the record's id, else the place of the record, else the path."""
        if self.record is None:
            return self.path
        return self.record or f"{self.path}:{self.line}"

    @property
    def group(self) -> tuple[int, str]:
        """The same for passages of which one search returns only the best: the parts of one record."""
        return (self.document, self.key if self.record is None else self.source_id)


def read_rows(
    connection: sqlite3.Connection, collection: int, column: Literal["id", "key"], wanted: Sequence[Any]
) -> dict[Any, Row]:
    """Return a collection's passages with these ids or keys, by that id or key; others are left out."""
    rows: dict[Any, Row] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        found = connection.execute(
            "SELECT p.id, p.key, p.document, p.record, p.title, p.text, p.line, p.page, p.metadata, d.path"  # noqa: S608
            f" FROM passages p JOIN documents d ON d.id = p.document WHERE p.{column} IN ({marks})"
            " AND p.collection = ?",
            (*part, collection),
        )
        for values in found:
            row = Row(*values)
            rows[row.id if column == "id" else row.key] = row
    return rows


def make_source(row: Row, collection: str) -> dict[str, Any]:
    """Say where a passage is from; `collection` is for whoever wants its sentences."""
    place = {"line": row.line} if not row.page else {"line": row.line, "page": row.page}
    return {"path": row.path, "id": row.source_id, "title": row.title, **place, "collection": collection}


def make_hit(
    row: Row, collection: str, score: float, scores: Mapping[str, float], mode: str, *, degraded: bool
) -> Hit:
    """Return the hit of a passage."""
    source, metadata = make_source(row, collection), orjson.loads(row.metadata)
    return Hit(row.key, row.text, score, source, dict(scores), metadata, mode, degraded)


def cut_sentences(text: str, spans: str) -> list[str]:
    """Return the sentences of a passage; `spans` as stored: start, end, start, end … as JSON."""
    ends = orjson.loads(spans)
    return [text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]
