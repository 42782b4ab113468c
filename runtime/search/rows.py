"""Reading passages from the index: as much as ranking needs, or whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import orjson

_AT_ONCE = 500


class Place(NamedTuple):
    """As much of a passage as ranking needs."""

    id: int
    key: str
    document: int
    record: str | None
    line: int

    @property
    def group(self) -> tuple[int, str]:
        """The same for passages of which one search returns only the best: the parts of one record."""
        return (self.document, self.key if self.record is None else self.record or f":{self.line}")


class Row(NamedTuple):
    """A passage as it is stored, with its document's path."""

    id: int
    key: str
    record: str | None
    title: str
    text: str
    line: int
    page: int
    spans: str
    metadata: str
    path: str

    @property
    def source_id(self) -> str:
        """What a hit calls its document: the record's id, else the place of the record, else the path."""
        if self.record is None:
            return self.path
        return self.record or f"{self.path}:{self.line}"


def read_places(
    connection: sqlite3.Connection, collection: int, column: Literal["id", "key"], wanted: Sequence[Any]
) -> dict[Any, Place]:
    """Return a collection's passages with these ids or keys, by that id or key; others are left out."""
    found = _select(
        connection, collection, column, wanted, "p.id, p.key, p.document, p.record, p.line FROM passages p"
    )
    return {values[0 if column == "id" else 1]: Place(*values) for values in found}


def read_rows(
    connection: sqlite3.Connection, collection: int, column: Literal["id", "key"], wanted: Sequence[Any]
) -> dict[Any, Row]:
    """Return these passages whole, by that id or key; others are left out."""
    found = _select(
        connection,
        collection,
        column,
        wanted,
        "p.id, p.key, p.record, p.title, p.text, p.line, p.page, p.spans, p.metadata, d.path"
        " FROM passages p JOIN documents d ON d.id = p.document",
    )
    return {values[0 if column == "id" else 1]: Row(*values) for values in found}


def _select(
    connection: sqlite3.Connection, collection: int, column: str, wanted: Sequence[Any], what: str
) -> Iterator[Any]:
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        # The plus keeps SQLite from walking through the whole collection instead of to these rows.
        yield from connection.execute(
            f"SELECT {what} WHERE p.{column} IN ({marks}) AND +p.collection = ?",
            (*part, collection),
        )


def make_source(row: Row, collection: str) -> dict[str, Any]:
    """Say where a passage is from; `collection` is for whoever wants its sentences."""
    place = {"line": row.line} if not row.page else {"line": row.line, "page": row.page}
    return {"path": row.path, "id": row.source_id, "title": row.title, **place, "collection": collection}


def titled(title: str, text: str) -> str:
    """Write a passage as models read it: below its title, unless that is all there is."""
    return f"{title}\n{text}" if title != text else text


def cut_sentences(text: str, spans: str) -> list[str]:
    """Return the sentences of a passage; `spans` as stored: start, end, start, end … as JSON."""
    ends = orjson.loads(spans)
    return [text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]
