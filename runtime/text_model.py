"""A transformer that reads texts, on onnxruntime: `model.onnx` and `tokenizer.json` of one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PADDING = ("[PAD]", "<pad>")


class TextModel:
    """Reads texts, or pairs of texts, padded to the longest of a batch only.

    Making one imports onnxruntime and tokenizers and takes about half a second.  Texts are cut at
    `max_tokens`, of a pair the longer one.
    """

    def __init__(self, folder: Path, *, max_tokens: int, threads: int, output: str | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(max_tokens)
        padding = next((token for token in PADDING if tokenizer.token_to_id(token) is not None), None)
        if padding is None:
            raise ValueError(f"its tokenizer has none of the tokens {' and '.join(PADDING)}")
        tokenizer.enable_padding(pad_id=tokenizer.token_to_id(padding), pad_token=padding)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning worker would take a core from the hub for nothing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Without the arena, memory of a rare long batch goes back instead of staying for good.
        options.enable_cpu_mem_arena = False
        self._tokenizer = tokenizer
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output or self._session.get_outputs()[0].name]

    @property
    def width(self) -> int | str | None:
        """The last dimension of what it gives, as the file declares it."""
        shape = {each.name: each.shape for each in self._session.get_outputs()}[self._outputs[0]]
        last: int | str | None = shape[-1]
        return last

    def read(
        self, texts: Sequence[str] | Sequence[tuple[str, str]]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return its output, shape (len(texts), …), and the attention mask, shape (len(texts), tokens)."""
        import numpy as np

        encodings = self._tokenizer.encode_batch(list(texts))
        known = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        asked = [each.name for each in self._session.get_inputs()]
        inputs = {name: np.array(known[name], dtype=np.int64) for name in asked}
        output = self._session.run(self._outputs, inputs)[0]
        return output, np.array(known["attention_mask"], dtype=np.int64)


def alike_in_length(lengths: Sequence[int], batch: int) -> Iterator[list[int]]:
    """Yield the places of texts with these lengths, in batches of similar length: little is padding."""
    order = sorted(range(len(lengths)), key=lambda at: lengths[at])
    for start in range(0, len(order), batch):
        yield order[start : start + batch]
