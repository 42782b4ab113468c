"""The embedder on the real model."""

from pathlib import Path

import numpy as np
import pytest

from hubbub import Embedder, PluginError
from plugins.minilm import MiniLM, Settings


@pytest.fixture(scope="module")
def embedder(models: Path) -> MiniLM:
    embedder = MiniLM(Settings(batch=4))
    embedder.load(models / "all-MiniLM-L6-v2")
    embedder.load(models / "all-MiniLM-L6-v2")
    return embedder


def test_it_is_an_embedder() -> None:
    assert isinstance(MiniLM(Settings()), Embedder)


def test_vectors_have_unit_length_and_the_order_of_the_texts(embedder: MiniLM) -> None:
    texts = ["A short one.", "word " * 900, "", "🦉", "Short.", "An owl hunts mice at night."]
    vectors = embedder.embed(texts, None)
    assert vectors.shape == (6, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        alone = embedder.embed([text], None)[0]
        assert float(alone @ vector) > 0.9999, "the padding of a batch must not change a vector"


def test_meaning_decides_and_not_words(embedder: MiniLM) -> None:
    car, vehicle, cat = embedder.embed(
        ["The car is broken.", "My automobile needs repair.", "The cat is asleep."], None
    )
    assert car @ vehicle > car @ cat + 0.2


def test_no_texts_give_no_vectors(embedder: MiniLM) -> None:
    assert embedder.embed([], None).shape == (0, 384)


def test_without_its_model_it_says_what_to_do() -> None:
    with pytest.raises(PluginError, match="hubbub models pull"):
        MiniLM(Settings()).embed(["x"], None)
