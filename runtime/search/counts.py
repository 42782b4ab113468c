"""How many passages a collection has, and how many of them have a word."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runtime.search.kept import Kept
from runtime.search.schema import keyword_table

COLLECTIONS = 64
WORDS = 10_000
"""Words of a collection whose counts are kept (1 MiB)."""


@dataclass(frozen=True, slots=True)
class _Counted:
    passages: int
    words: dict[str, int] = field(default_factory=dict)


class Counts:
    """Counts each collection and each word once; what has left a collection since may still be counted."""

    def __init__(self) -> None:
        self._kept = Kept(_count_passages, COLLECTIONS)

    def passages(self, connection: sqlite3.Connection, collection: int) -> int:
        """Return how many passages there are."""
        return self._kept.of(connection, collection).passages

    def words(
        self, connection: sqlite3.Connection, collection: int, words: Sequence[str]
    ) -> Mapping[str, int]:
        """Return how many passages have each of these words, in any of its forms."""
        kept = self._kept.of(connection, collection).words
        if len(kept) > WORDS:
            kept.clear()
        counts = {
            word: kept.get(word) or _count(connection, keyword_table(collection), word) for word in words
        }
        kept.update(counts)
        return counts


def _count_passages(connection: sqlite3.Connection, collection: int) -> _Counted:
    query = "SELECT count(*) FROM passages WHERE collection = ?"
    (count,) = connection.execute(query, (collection,)).fetchone()
    return _Counted(count)


def _count(connection: sqlite3.Connection, table: str, word: str) -> int:
    query = f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"  # noqa: S608 - a name made from a number
    (count,) = connection.execute(query, (f'"{word}"',)).fetchone()
    return int(count)
