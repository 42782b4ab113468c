"""scorer.cross_encoder: how well a text answers a query, by a model that reads both together."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from hubbub import Context, PluginError, Score, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TOKENS = 512
"""What such models were made for: of query and text together, the longer one is cut."""
MAX_CHARACTERS = 8 * MAX_TOKENS
"""As much of either as could be among these tokens."""
_PADDING = ("[PAD]", "<pad>")


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
            padding = next((token for token in _PADDING if tokenizer.token_to_id(token) is not None), None)
            if padding is None:
                raise ValueError(f"its tokenizer has none of the tokens {' and '.join(_PADDING)}")
            tokenizer.enable_padding(pad_id=tokenizer.token_to_id(padding), pad_token=padding)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._settings.threads
            options.inter_op_num_threads = 1
            # A spinning worker would take a core from the hub for nothing.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            # Without the arena, memory of a rare long batch goes back instead of staying for good.
            options.enable_cpu_mem_arena = False
            session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            if session.get_outputs()[0].shape[-1] != 1:
                raise ValueError("it has more than one logit for a pair")
            self._tokenizer, self._session = tokenizer, session

    def score(self, item: Mapping[str, Any], ctx: Context | None) -> Score:
        """Score one pair, `{query, text}`."""
        return self.score_many([item], ctx)[0]

    def score_many(self, items: Sequence[Mapping[str, Any]], ctx: Context | None) -> list[Score]:
        """Score pairs in batches of similar length: the sigmoid of the logit of each."""
        import numpy as np

        if self._session is None:
            raise PluginError(
                "The scorer cross_encoder has no model; docs/search.md says where its files go.",
                plugin="cross_encoder",
            )
        pairs = [(str(item.get("query", "")), str(item.get("text", ""))) for item in items]
        logits = np.zeros(len(pairs), dtype=np.float64)
        order = sorted(range(len(pairs)), key=lambda at: len(pairs[at][1]))
        for start in range(0, len(order), self._settings.batch):
            rows = order[start : start + self._settings.batch]
            logits[rows] = self._read([pairs[row] for row in rows])
        return [Score(float(value)) for value in 1.0 / (1.0 + np.exp(-logits))]

    def _read(self, pairs: list[tuple[str, str]]) -> NDArray[np.float32]:
        import numpy as np

        cut = [(query[:MAX_CHARACTERS], text[:MAX_CHARACTERS]) for query, text in pairs]
        encodings = self._tokenizer.encode_batch(cut)
        known = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        asked = [each.name for each in self._session.get_inputs()]
        inputs = {name: np.array(known[name], dtype=np.int64) for name in asked}
        logits: NDArray[np.float32] = self._session.run(None, inputs)[0]
        return logits.reshape(len(pairs))


@hookimpl
def register_scorers(settings: Settings) -> list[CrossEncoder]:
    """Supply `scorer.cross_encoder`, which `[search] reranker` names."""
    return [CrossEncoder(settings)]
