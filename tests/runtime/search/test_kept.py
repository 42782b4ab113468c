"""What is kept of a collection until it has newer passages."""

import sqlite3

import pytest

from runtime.search.counts import Counts
from runtime.search.kept import Kept


@pytest.fixture
def connection() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE passages (id INTEGER PRIMARY KEY, collection INTEGER)")
    made.execute("CREATE VIRTUAL TABLE keywords_1 USING fts5(text)")
    return made


def add(connection: sqlite3.Connection, *texts: str) -> None:
    for text in texts:
        id = connection.execute("INSERT INTO passages (collection) VALUES (1)").lastrowid
        connection.execute("INSERT INTO keywords_1 (rowid, text) VALUES (?, ?)", (id, text))


def kept_and_reads() -> tuple[Kept[int], list[int]]:
    """Return what keeps two values, and the collections it has read."""
    reads: list[int] = []

    def read(_: sqlite3.Connection, collection: int) -> int:
        reads.append(collection)
        return collection

    return Kept(read, 2), reads


def test_a_value_is_read_again_only_when_there_are_newer_passages(connection: sqlite3.Connection) -> None:
    kept, reads = kept_and_reads()
    assert [kept.of(connection, collection) for collection in (1, 1, 2)] == [1, 1, 2]
    assert reads == [1, 2]
    add(connection, "owls")
    kept.of(connection, 1)
    assert reads == [1, 2, 1]


def test_of_many_collections_the_last_ones_are_kept(connection: sqlite3.Connection) -> None:
    kept, reads = kept_and_reads()
    for collection in (1, 2, 1, 3, 1, 2):
        kept.of(connection, collection)
    assert reads == [1, 2, 3, 2]


def test_words_are_counted_anew_when_passages_came_and_never_stay_unknown(
    connection: sqlite3.Connection,
) -> None:
    counts = Counts()
    add(connection, "owls hunt", "owls")
    assert counts.words(connection, 1, ["owls", "larks"]) == {"owls": 2, "larks": 0}
    assert counts.passages(connection, 1) == 2
    connection.execute("UPDATE keywords_1 SET text = 'larks' WHERE rowid = 2")
    assert counts.words(connection, 1, ["owls", "larks"]) == {"owls": 2, "larks": 1}
    add(connection, "owls")
    assert counts.words(connection, 1, ["owls", "larks"]) == {"owls": 2, "larks": 1}
    assert counts.passages(connection, 1) == 3
