"""The tables of `search.db`: what is indexed, the keyword index, and which vectors are still to come."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

FORMAT = 5
"""Changes when the tables do; a file of another format is built anew from the documents."""

TABLES = """
CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    embedder TEXT NOT NULL DEFAULT '',   -- whose vectors are stored, '' before there are any
    UNIQUE (tenant, name)
);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    path TEXT NOT NULL,                  -- relative to the workspace where it lies inside
    reader TEXT NOT NULL DEFAULT '',     -- which version of which format's reader made the passages
    sha256 TEXT NOT NULL,                -- '' while the file is being read
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    generation INTEGER NOT NULL,         -- of the latest reading; passages of an earlier one are gone
    complaints TEXT NOT NULL DEFAULT '[]',  -- JSON: [place, sentence] of each line that was skipped
    UNIQUE (collection, path)
);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,            -- made from the content, the id that hits carry
    collection INTEGER NOT NULL,
    document INTEGER NOT NULL,
    record TEXT,                         -- NULL for prose
    line INTEGER NOT NULL,
    page INTEGER NOT NULL,               -- 0 in what has no pages
    generation INTEGER NOT NULL,
    vector_stored INTEGER NOT NULL DEFAULT 0,
    sentences_stored INTEGER NOT NULL DEFAULT 0,
    -- What is long comes last: SQLite reads a row up to the last column that is asked for.
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    spans TEXT NOT NULL,                 -- JSON: start, end, start, end … of the sentences
    metadata TEXT NOT NULL               -- JSON object
);
CREATE INDEX passages_document ON passages (document, generation);
CREATE INDEX passages_collection ON passages (collection, vector_stored);
CREATE INDEX passages_no_vector ON passages (collection) WHERE vector_stored = 0;
CREATE INDEX passages_no_sentences ON passages (collection) WHERE sentences_stored = 0;
CREATE TABLE sentence_vectors (
    passage INTEGER PRIMARY KEY,
    vectors BLOB NOT NULL                -- float16, (sentences, size)
);
CREATE TABLE fields (                    -- scalars of the metadata, for filters
    collection INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,                 -- as JSON
    passage INTEGER NOT NULL,
    unit INTEGER NOT NULL,               -- what facets count once: a file, or a record of one
    PRIMARY KEY (collection, name, value, passage)
) WITHOUT ROWID;
CREATE INDEX fields_passage ON fields (passage);
CREATE TABLE vector_deletes (
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID;
"""


TOKENIZER = "porter unicode61"
"""Words without diacritics, and of English ones the stem."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open for writing, making the file where it is missing or of another format.

    The search process only, and one thread of it at a time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    connection = _connect(path)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == FORMAT:
        return connection
    connection.close()
    _make(path)
    return _connect(path)


def _make(path: Path) -> None:
    """Put an index without documents there, in one step.

    SQLite turns WAL on only while nobody else looks, and does not wait for that, whatever the timeout.
    """
    for file in path.parent.glob(f"{path.name}?*"):
        file.unlink()
    fresh = path.with_name(f"{path.name}.new")
    connection = _connect(fresh)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(TABLES)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.close()
    os.replace(fresh, path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    # What a power cut takes is read again from the documents; a crash of ours takes nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading; sqlite3.OperationalError when there is none."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=10,
        isolation_level=None,
        check_same_thread=False,
    )
    # Not mode=ro: a reader must be able to recover the log of a writer that was killed.
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA mmap_size = 268435456")
    return connection


def keyword_table(collection: int) -> str:
    """Name a collection's own keyword index: no tenant's words weigh on another's ranking."""
    return f"keywords_{collection:d}"


def make_keyword_table(connection: sqlite3.Connection, collection: int) -> None:
    """Create the keyword index of a collection: English stems, texts kept in `passages` only."""
    connection.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {keyword_table(collection)} USING fts5("
        f"title, text, content='passages', content_rowid='id', tokenize='{TOKENIZER}')"
    )
    connection.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {vocabulary_table(collection)}"
        f" USING fts5vocab({keyword_table(collection)}, row)"
    )


def vocabulary_table(collection: int) -> str:
    """Name the view of a keyword index that lists its words."""
    return f"vocabulary_{collection:d}"


def vector_collection(tenant: str, collection: str, embedder: str) -> str:
    """Name the Chroma collection; another embedder's vectors can never mix with these."""
    return "h" + hashlib.sha256("\0".join((tenant, collection, embedder)).encode()).hexdigest()[:40]
