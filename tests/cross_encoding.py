"""Makes a cross-encoder as its owner would: it counts the words that query and text have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing

from tests.runtime.inference.making import onnx_model, value

NAME = "ms-marco-MiniLM-L6-v2"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def make_cross_encoder(models: Path, words: str, *, name: str = NAME, logits: int = 1) -> Path:
    """Put its files where a search looks for them; words that it does not know count for nothing."""
    folder = models / name
    folder.mkdir(parents=True)
    _tokenizer(words).save(str(folder / "tokenizer.json"))
    (folder / "model.onnx").write_bytes(_model(logits))
    return folder


def _tokenizer(words: str) -> Tokenizer:
    known = dict.fromkeys([*SPECIAL, *words.lower().split()])
    made = Tokenizer(WordLevel({word: at for at, word in enumerate(known)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return made


def _model(logits: int) -> bytes:
    """logit = the pairs of equal words across the two texts, less three."""
    constants = [
        numpy_helper.from_array(np.array(len(SPECIAL) - 1, np.int64), "last"),
        numpy_helper.from_array(np.array([2], np.int64), "columns"),
        numpy_helper.from_array(np.array([1], np.int64), "rows"),
        numpy_helper.from_array(np.array([1, 2], np.int64), "both"),
        numpy_helper.from_array(np.array(3, np.float32), "three"),
        numpy_helper.from_array(np.array([1, logits], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Greater", ["input_ids", "last"], ["word"]),
        helper.make_node("Cast", ["word"], ["words"], to=TensorProto.INT64),
        helper.make_node("Mul", ["words", "attention_mask"], ["seen"]),
        helper.make_node("Mul", ["seen", "token_type_ids"], ["second"]),
        helper.make_node("Sub", ["seen", "second"], ["first"]),
        helper.make_node("Unsqueeze", ["input_ids", "columns"], ["down"]),
        helper.make_node("Unsqueeze", ["input_ids", "rows"], ["across"]),
        helper.make_node("Equal", ["down", "across"], ["same"]),
        helper.make_node("Cast", ["same"], ["equal"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["first", "columns"], ["asked"]),
        helper.make_node("Unsqueeze", ["second", "rows"], ["answered"]),
        helper.make_node("Mul", ["equal", "asked"], ["from_query"]),
        helper.make_node("Mul", ["from_query", "answered"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "both"], ["count"], keepdims=0),
        helper.make_node("Cast", ["count"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["number", "three"], ["logit"]),
        helper.make_node("Unsqueeze", ["logit", "rows"], ["column"]),
        helper.make_node("Tile", ["column", "shape"], ["logits"]),
    ]
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [value(name, ["batch", "tokens"], TensorProto.INT64) for name in names]
    return onnx_model(nodes, inputs, [value("logits", ["batch", logits])], constants)
