"""The embedder all-MiniLM-L6-v2 on onnxruntime: short, quick, offline, padded to the longest text only."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from hubbub import Context, PluginError, hookimpl
from hubbub.text_models import TextModel, alike_in_length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TOKENS = 256
"""What the model was made for; longer texts are cut."""


class Settings(BaseModel):
    """`[plugins.minilm]`: threads of one embedding call, and texts that are embedded at once.

    A query waits for its vector: two threads halve that.  Of texts, more than a few at once cost a quarter
    more and four times the memory.
    """

    threads: int = Field(default=2, ge=1)
    batch: int = Field(default=8, ge=1)


class MiniLM:
    """384 numbers a text: mean of the token vectors, made unit length.

    `model` names the folder of files it needs; the host finds that folder and calls `load` before the
    first `embed`.  onnxruntime and tokenizers are imported then, not when the plugin is loaded.
    """

    name = "minilm"
    size = 384
    model = "all-MiniLM-L6-v2"
    examples = ("How are lost events recovered?", "A thread is a durable conversation.")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: TextModel | None = None
        self._loading = threading.Lock()

    def load(self, folder: Path) -> None:
        """Read `model.onnx` and `tokenizer.json` from `folder`; takes about half a second, once."""
        with self._loading:
            self._model = self._model or TextModel(
                folder, max_tokens=MAX_TOKENS, threads=self._settings.threads, output="last_hidden_state"
            )

    def embed(self, texts: Sequence[str], ctx: Context | None) -> NDArray[np.float32]:
        """Return an array of shape (len(texts), 384); texts are taken in batches of similar length."""
        import numpy as np

        if self._model is None:
            raise PluginError("The embedder minilm has no model; run `hubbub models pull`.", plugin="minilm")
        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        for rows in alike_in_length([len(text) for text in texts], self._settings.batch):
            tokens, mask = self._model.read([texts[row] for row in rows])
            vectors[rows] = _unit_means(tokens, mask)
        return vectors


def _unit_means(tokens: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the means of the token vectors, (texts, tokens, 384) to (texts, 384), made unit length."""
    import numpy as np

    weights = mask[:, :, None].astype(np.float32)
    means = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    unit: NDArray[np.float32] = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return unit


@hookimpl
def register_embedders(settings: Settings) -> list[MiniLM]:
    """Supply the embedder that `[search] embedder = "minilm"` names."""
    return [MiniLM(settings)]
