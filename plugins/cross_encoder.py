"""scorer.cross_encoder: how well a text answers a query, by a model that reads both together."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, PluginError, Score, hookimpl
from hubbub.text_models import TextModel, alike_in_length

MAX_TOKENS = 512
"""What such models were made for: of query and text together, the longer one is cut."""
MAX_CHARACTERS = 8 * MAX_TOKENS
"""As much of either as could be among these tokens."""


class Settings(BaseModel):
    """`[plugins.cross_encoder]`: the folder of the model, threads of one call, pairs read at once."""

    model: str = Field(default="ms-marco-MiniLM-L6-v2", min_length=1)
    threads: int = Field(default=2, ge=1)
    batch: int = Field(default=8, ge=1)


class CrossEncoder:
    """Reads query and text in one go, so it sees what vectors made apart cannot; one pair costs an embedding.

    `model` names the folder of its files; the host finds that folder and calls `load` before the first
    `score`.  Any model on onnxruntime with one logit for a pair will do.
    """

    name = "cross_encoder"
    examples = (
        {"query": "When do owls hunt?", "text": "Owls hunt at night."},
        {"query": "When do owls hunt?", "text": "Bread is baked at dawn."},
    )

    def __init__(self, settings: Settings) -> None:
        self.model = settings.model
        self._settings = settings
        self._model: TextModel | None = None
        self._loading = threading.Lock()

    def load(self, folder: Path) -> None:
        """Read `model.onnx` and `tokenizer.json` from `folder`; takes about half a second, once."""
        with self._loading:
            if self._model is None:
                model = TextModel(folder, max_tokens=MAX_TOKENS, threads=self._settings.threads)
                if model.width != 1:
                    raise ValueError("it has more than one logit for a pair")
                self._model = model

    def score(self, item: Mapping[str, Any], ctx: Context | None) -> Score:
        """Score one pair, `{query, text}`."""
        return self.score_many([item], ctx)[0]

    def score_many(self, items: Sequence[Mapping[str, Any]], ctx: Context | None) -> list[Score]:
        """Score pairs in batches of similar length: the sigmoid of the logit of each."""
        import numpy as np

        if self._model is None:
            raise PluginError(
                "The scorer cross_encoder has no model; docs/search.md says where its files go.",
                plugin="cross_encoder",
            )
        pairs = [
            (str(item.get("query", ""))[:MAX_CHARACTERS], str(item.get("text", ""))[:MAX_CHARACTERS])
            for item in items
        ]
        logits = np.zeros(len(pairs), dtype=np.float64)
        for rows in alike_in_length([len(text) for _, text in pairs], self._settings.batch):
            logits[rows] = self._model.read([pairs[row] for row in rows])[0].reshape(len(rows))
        return [Score(float(value)) for value in 1.0 / (1.0 + np.exp(-logits))]


@hookimpl
def register_scorers(settings: Settings) -> list[CrossEncoder]:
    """Supply `scorer.cross_encoder`, which `[search] reranker` names."""
    return [CrossEncoder(settings)]
