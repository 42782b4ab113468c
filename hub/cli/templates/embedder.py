"""An embedder: turns texts into vectors, for `[search] embedder = "sample"`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubbub import Context, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Sample:
    """Counts words into buckets: texts that share words are near each other."""

    name = "sample"
    size = 256

    def embed(self, texts: Sequence[str], ctx: Context | None) -> NDArray[np.float32]:
        """Return an array of shape (len(texts), size): float32, unit length.

        A plain method runs in a thread, where it may take its time.
        """
        import numpy as np

        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split() or [""]:
                vectors[row, zlib.crc32(word.encode()) % self.size] += 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@hookimpl
def register_embedders() -> list[Sample]:
    """Supply the embedder `sample`."""
    return [Sample()]
