"""Embedding what is stored: passages into Chroma, sentences beside their passages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runtime.search.data import IndexProgress
from runtime.search.ingest import Report, Stop
from runtime.search.rows import cut_sentences, titled
from runtime.search.schema import vector_collection
from runtime.search.store import Store
from runtime.search.vectors import VectorIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 128
"""Passages embedded and then stored together: a kill costs at most the work on these."""
CALL = 32
"""Texts given to the embedder at once; between calls the work can be stopped."""

Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]


class Embedding:
    """Brings the vectors of one collection up to date with its passages.

    Every step can be done again: vectors are stored first and flagged after, under keys made from
    the content; deletes are noted with the passage's removal and crossed off when done.
    """

    def __init__(
        self, store: Store, index: VectorIndex, embed: Embed, embedder: str, report: Report, stop: Stop
    ) -> None:
        self._store, self._index, self._embed = store, index, embed
        self._embedder = embedder
        self._name = vector_collection(store.tenant, store.name, embedder)
        self._report, self._stop = report, stop

    def run(self) -> None:
        """Delete what left, embed what is new: passages first, then sentences."""
        self._adopt()
        self._delete()
        self._reconcile()
        self._passages()
        self._sentences()

    def _adopt(self) -> None:
        """Forget the vectors of another embedder."""
        db, collection = self._store.connection, self._store.id
        (before,) = db.execute("SELECT embedder FROM collections WHERE id = ?", (collection,)).fetchone()
        if before == self._embedder:
            return
        if before:
            self._index.drop(vector_collection(self._store.tenant, self._store.name, before))
        with self._store.transaction():
            db.execute(
                "DELETE FROM sentence_vectors WHERE passage IN (SELECT id FROM passages"
                " WHERE collection = ?)",
                (collection,),
            )
            db.execute(
                "UPDATE passages SET vector_stored = 0, sentences_stored = 0 WHERE collection = ?",
                (collection,),
            )
            db.execute("UPDATE collections SET embedder = ? WHERE id = ?", (self._embedder, collection))

    def _delete(self) -> None:
        db, collection = self._store.connection, self._store.id
        rows = db.execute("SELECT key FROM vector_deletes WHERE collection = ?", (collection,)).fetchall()
        if not rows:
            return
        self._index.delete(self._name, [key for (key,) in rows])
        with self._store.transaction():
            db.executemany(
                "DELETE FROM vector_deletes WHERE collection = ? AND key = ?",
                [(collection, key) for (key,) in rows],
            )

    def _reconcile(self) -> None:
        """Compare Chroma with the flags where their numbers differ: its folder may be lost or older."""
        db, collection = self._store.connection, self._store.id
        rows = db.execute(
            "SELECT key, vector_stored FROM passages WHERE collection = ?", (collection,)
        ).fetchall()
        flagged = {key for key, stored in rows if stored}
        if self._index.count(self._name) == len(flagged):
            return
        present = self._index.keys(self._name)
        strangers = present.difference(key for key, _ in rows)
        if strangers:
            self._index.delete(self._name, sorted(strangers))
        with self._store.transaction():
            db.executemany(
                "UPDATE passages SET vector_stored = 0 WHERE key = ?", [(key,) for key in flagged - present]
            )

    def _passages(self) -> None:
        total = self._count("vector_stored")
        done = 0
        while rows := self._pending("vector_stored", "id, key, title, text", CHUNK):
            self._report(IndexProgress("vectors", done, max(total, done)))
            vectors = self._embed_all([titled(title, text) for _, _, title, text in rows])
            self._index.upsert(self._name, [row[1] for row in rows], vectors)
            with self._store.transaction():
                self._store.connection.executemany(
                    "UPDATE passages SET vector_stored = 1 WHERE id = ? AND key = ?",
                    [row[:2] for row in rows],
                )
            done += len(rows)
        if done:
            self._report(IndexProgress("vectors", done, done))

    def _sentences(self) -> None:
        import numpy as np

        total = self._count("sentences_stored")
        done = 0
        while rows := self._pending("sentences_stored", "id, key, text, spans", CHUNK // 2):
            self._report(IndexProgress("sentences", done, max(total, done)))
            sentences = [cut_sentences(row[2], row[3]) for row in rows]
            vectors = self._embed_all([sentence for row in sentences for sentence in row])
            ends = np.cumsum([len(row) for row in sentences])
            parts = np.split(vectors.astype(np.float16), ends[:-1])
            with self._store.transaction():
                for row, part in zip(rows, parts, strict=True):
                    self._store_sentences(row, part.tobytes())
            done += len(rows)
        if done:
            self._report(IndexProgress("sentences", done, done))

    def _store_sentences(self, row: sqlite3.Row, vectors: bytes) -> None:
        """Store one passage's sentence vectors, unless it left or changed in the meantime."""
        changed = self._store.connection.execute(
            "UPDATE passages SET sentences_stored = 1 WHERE id = ? AND key = ? AND spans = ?",
            (row[0], row[1], row[3]),
        ).rowcount
        if changed:
            self._store.connection.execute(
                "INSERT OR REPLACE INTO sentence_vectors (passage, vectors) VALUES (?, ?)", (row[0], vectors)
            )

    def _embed_all(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed in calls of texts of similar length, so that little is padding; in the order given."""
        import numpy as np

        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        parts = []
        for start in range(0, len(order), CALL):
            self._stop()
            parts.append(
                np.asarray(self._embed([texts[at] for at in order[start : start + CALL]]), dtype=np.float32)
            )
        if not parts:
            return np.zeros((0, 0), dtype=np.float32)
        found = np.concatenate(parts)
        vectors = np.empty_like(found)
        vectors[order] = found
        return vectors

    def _count(self, flag: str) -> int:
        (count,) = self._store.connection.execute(
            f"SELECT count(*) FROM passages WHERE collection = ? AND {flag} = 0",  # noqa: S608 - a constant
            (self._store.id,),
        ).fetchone()
        return int(count)

    def _pending(self, flag: str, columns: str, limit: int) -> list[sqlite3.Row]:
        self._stop()
        return self._store.connection.execute(
            f"SELECT {columns} FROM passages WHERE collection = ? AND {flag} = 0 ORDER BY id LIMIT ?",  # noqa: S608
            (self._store.id, limit),
        ).fetchall()
