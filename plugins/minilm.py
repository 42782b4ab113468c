"""The embedder all-MiniLM-L6-v2 on onnxruntime: short, quick, offline, padded to the longest text only."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from hubbub import Context, PluginError, hookimpl

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
        self._session: Any = None
        self._tokenizer: Any = None
        self._loading = threading.Lock()

    def load(self, folder: Path) -> None:
        """Read `model.onnx` and `tokenizer.json` from `folder`; takes about half a second, once."""
        import onnxruntime
        from tokenizers import Tokenizer

        with self._loading:
            if self._session is not None:
                return
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.enable_truncation(MAX_TOKENS)
            tokenizer.enable_padding()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._settings.threads
            options.inter_op_num_threads = 1
            # A spinning worker would take a core from the hub for nothing.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            # Without the arena, memory of a rare long batch goes back instead of staying for good.
            options.enable_cpu_mem_arena = False
            self._tokenizer = tokenizer
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )

    def embed(self, texts: Sequence[str], ctx: Context | None) -> NDArray[np.float32]:
        """Return an array of shape (len(texts), 384); texts are taken in batches of similar length."""
        import numpy as np

        if self._session is None:
            raise PluginError("The embedder minilm has no model; run `hubbub models pull`.", plugin="minilm")
        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), self._settings.batch):
            rows = order[start : start + self._settings.batch]
            vectors[rows] = self._embed_batch([texts[row] for row in rows])
        return vectors

    def _embed_batch(self, texts: list[str]) -> NDArray[np.float32]:
        import numpy as np

        encodings = self._tokenizer.encode_batch(texts)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        tokens = self._session.run(
            ["last_hidden_state"],
            {
                "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
                "attention_mask": mask,
                "token_type_ids": np.zeros_like(mask),
            },
        )[0]
        weights = mask[:, :, None].astype(np.float32)
        means = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
        unit: NDArray[np.float32] = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return unit


@hookimpl
def register_embedders(settings: Settings) -> list[MiniLM]:
    """Supply the embedder that `[search] embedder = "minilm"` names."""
    return [MiniLM(settings)]
