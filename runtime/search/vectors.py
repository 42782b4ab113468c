"""The Chroma folder: opened late, by the search process alone, because a second opener hangs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UPSERT = 64
"""Rows a call: Chroma holds the interpreter while it adds, and queries wait for that long."""
DELETE = 500


class VectorIndex:
    """Passage vectors by collection, with cosine similarity."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._client: Any = None
        self._collections: dict[str, Any] = {}
        self._opening = threading.Lock()

    def open(self) -> Any:
        """Open Chroma's folder; the first call takes a second."""
        with self._opening:
            if self._client is None:
                import chromadb
                from chromadb.config import Settings

                self._folder.mkdir(parents=True, exist_ok=True)
                self._client = chromadb.PersistentClient(
                    str(self._folder), settings=Settings(anonymized_telemetry=False)
                )
            return self._client

    def upsert(self, name: str, keys: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Store vectors, shape (len(keys), size), unit length, under stable keys."""
        collection = self._collection(name)
        for start in range(0, len(keys), UPSERT):
            part = slice(start, start + UPSERT)
            collection.upsert(ids=list(keys[part]), embeddings=vectors[part])

    def delete(self, name: str, keys: Sequence[str]) -> None:
        """Remove vectors; unknown keys are no matter."""
        collection = self._collection(name)
        for start in range(0, len(keys), DELETE):
            collection.delete(ids=list(keys[start : start + DELETE]))

    def query(
        self, name: str, vector: NDArray[np.float32], count: int, keys: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return the nearest (key, cosine), best first; among `keys` only, where given."""
        # Where there are fewer than `count`, Chroma returns those; to count them first takes longer.
        only = {} if keys is None else {"ids": list(keys)}
        found = self._collection(name).query(
            query_embeddings=vector[None, :], n_results=count, include=["distances"], **only
        )
        return [
            (key, 1.0 - distance)
            for key, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        ]

    def keys(self, name: str) -> set[str]:
        """Return every key that is stored."""
        return set(self._collection(name).get(include=[])["ids"])

    def count(self, name: str) -> int:
        """Count the stored vectors."""
        return int(self._collection(name).count())

    def drop(self, name: str) -> None:
        """Remove a whole collection, if it is there."""
        from chromadb.errors import NotFoundError

        self._collections.pop(name, None)
        try:
            self.open().delete_collection(name)
        except NotFoundError:
            return

    def _collection(self, name: str) -> Any:
        if name not in self._collections:
            self._collections[name] = self.open().get_or_create_collection(
                name,
                configuration={"hnsw": {"space": "cosine", "ef_search": 200}},
                embedding_function=None,
            )
        return self._collections[name]
