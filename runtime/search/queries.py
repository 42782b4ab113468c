"""Embedding queries in the hub: the model is loaded once, off the loop, and repeated queries cost nothing."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import PluginError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, Registered
from runtime.search.loading import Loading
from runtime.settings import Settings
from runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from runtime.ports import Vectors

REMEMBERED = 1024
"""Query vectors that are kept (1.5 MiB)."""
DEADLINE = 30.0
"""Seconds one call of the embedder may take."""


class QueryEmbedder:
    """The configured embedder, if it can be used: `[search] embedder`, and its model where it needs one."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog], telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._embedder = Loading(settings, catalog, "embedder", settings.search.embedder)
        self._vectors: OrderedDict[tuple[str, str], Any] = OrderedDict()

    @property
    def name(self) -> str:
        """The embedder's name, as configured."""
        return self._embedder.name

    @property
    def space(self) -> str:
        """What vectors must share to be compared: the embedder, its model and their size."""
        found = self._embedder.registered
        value = found.value if found else None
        return f"{self.name}:{getattr(value, 'model', '')}:{getattr(value, 'size', 0)}"

    @property
    def folder(self) -> Path | None:
        """Where the files of its model are; None when it needs none, or they are not there."""
        return self._embedder.folder

    def missing(self) -> str:
        """Return why there is no embedder, as a sentence; "" when there is one."""
        return self._embedder.missing()

    async def load(self) -> Registered | None:
        """Load the model if that has not been done; None when there is no usable embedder."""
        return await self._embedder.load()

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """Return vectors of shape (len(texts), size), float32; None without a usable embedder."""
        found = await self.load()
        if found is None:
            return None
        import numpy as np

        space = self.space
        found_before = {text: self._vectors.get((space, text)) for text in texts}
        vectors = {text: vector for text, vector in found_before.items() if vector is not None}
        if new := [text for text in found_before if text not in vectors]:
            with self._telemetry.embeddings_span(self.name, texts=len(new)):
                deadline = time.monotonic() + DEADLINE
                rows = await guard.call(found, "embed", new, None, deadline=deadline)
            vectors.update(zip(new, checked(rows, len(new), found), strict=True))
        for text, vector in vectors.items():
            self._remember((space, text), vector)
        size = int(found.value.size)
        return np.stack([vectors[text] for text in texts]) if texts else np.zeros((0, size), np.float32)

    def _remember(self, key: tuple[str, str], vector: Any) -> None:
        self._vectors[key] = vector
        self._vectors.move_to_end(key)
        while len(self._vectors) > REMEMBERED:
            self._vectors.popitem(last=False)


def checked(rows: Any, count: int, found: Registered) -> Vectors:
    """Return what an embedder made as an array; PluginError when it has another shape than it promised."""
    import numpy as np

    try:
        vectors = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError):
        vectors = np.zeros(0, dtype=np.float32)
    if vectors.shape != (count, found.value.size):
        raise PluginError(
            f"The embedder {found.name} returned no array of shape ({count}, {found.value.size}); "
            "mend the plugin.",
            plugin=found.plugin.name,
        )
    return vectors
