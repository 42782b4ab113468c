"""The offline model that quotes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hubbub import ChatRequest, Delta, Hit, Hits, Passage, Provider
from plugins.extractive import NOTHING, Extractive, Settings, find_question

OWLS = "Owls hunt mice at night. They see well in the dark. Their eyes are large."
LARKS = "Larks sing when the sun rises. They nest on the ground."


class Stored:
    """A collection that holds the passages it is given."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.name = "docs"
        self._passages = {passage.id: passage for passage in passages}

    async def passages(self, ids: Sequence[str]) -> Sequence[Passage]:
        return [self._passages[id] for id in ids if id in self._passages]

    async def keyword(self, query: str, k: int, filter: Any = None) -> Hits:
        return Hits()

    dense = hybrid = keyword


class Words:
    """A context whose vectors count words, and which knows some stored passages."""

    tenant = run = thread = idempotency_key = ""
    deadline = 0.0
    params = log = None

    def __init__(self, *texts: str, vectors: bool = False) -> None:
        self.vocabulary: dict[str, int] = {}
        self.with_vectors = vectors
        passages = []
        for number, text in enumerate(texts):
            sentences = [part.strip() + "." for part in text.split(".") if part.strip()]
            made = np.stack([self.vector(sentence) for sentence in sentences]) if vectors else None
            passages.append(Passage(str(number), text, {}, sentences, made))
        self.stored = Stored(passages)

    def vector(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        made = np.zeros(64, dtype=np.float32)
        for word in text.lower().replace(".", "").replace("?", "").split():
            made[self.vocabulary.setdefault(word, len(self.vocabulary)) % 64] += 1
        return made / max(1e-9, float(np.linalg.norm(made)))

    async def embed(self, texts: Sequence[str]) -> Any:
        return np.stack([self.vector(text) for text in texts]) if self.with_vectors else None

    def collection(self, name: str) -> Stored:
        return self.stored

    def model(self, alias: str) -> Any:
        raise NotImplementedError

    def emit(self, delta: Delta) -> None:
        raise NotImplementedError


def hits(*texts: str, collection: str = "docs") -> list[Hit]:
    return [Hit(str(at), text, 1.0, {"collection": collection}) for at, text in enumerate(texts)]


async def answer(question: Any, documents: Sequence[Hit], ctx: Any, **more: Any) -> list[Delta]:
    request = ChatRequest("extractive", [{"role": "user", "content": question}], documents, **more)
    return [delta async for delta in Extractive(Settings()).stream(request, ctx)]


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_it_is_a_provider() -> None:
    assert isinstance(Extractive(Settings()), Provider)


@pytest.mark.parametrize("vectors", [True, False])
async def test_it_quotes_word_by_word_with_the_number_of_the_document(vectors: bool) -> None:
    deltas = await answer("When do larks sing?", hits(OWLS, LARKS), Words(OWLS, LARKS, vectors=vectors))
    assert text_of(deltas).startswith("Larks sing when the sun rises. [2]")
    assert "Owls hunt" not in text_of(deltas)
    assert [delta.text for delta in deltas[:3]] == ["Larks ", "sing ", "when "]
    assert deltas[-1].finish == "stop"
    usage = next(delta.usage for delta in deltas if delta.usage)
    assert usage.input_tokens > 0
    assert usage.output_tokens == sum(bool(delta.text) for delta in deltas)


@pytest.mark.parametrize("question", ["Who won the 1954 cup?", "", "???", "🦉"])
async def test_it_says_when_it_found_nothing(question: str) -> None:
    deltas = await answer(question, hits(OWLS, LARKS), Words(OWLS, LARKS, vectors=True))
    assert text_of(deltas) == NOTHING
    assert deltas[-1].finish == "stop"
    assert text_of(await answer("When do larks sing?", [], Words())) == NOTHING


async def test_without_vectors_the_order_of_the_words_decides_between_equals() -> None:
    texts = hits("List owls, the latest first.", "An owl is a bird of the night.", collection="")
    said = text_of(await answer("What is an owl?", texts, Words()))
    assert said.startswith("An owl is a bird of the night. [2]")


async def test_hits_that_are_not_stored_are_cut_into_sentences_themselves() -> None:
    deltas = await answer("Do owls hunt mice?", hits(OWLS, collection=""), Words())
    assert text_of(deltas) == "Owls hunt mice at night. [1]"


async def test_the_length_is_bounded_when_asked() -> None:
    deltas = await answer("Do owls hunt mice?", hits(OWLS), Words(OWLS), max_tokens=2)
    assert (text_of(deltas), deltas[-1].finish) == ("Owls hunt ", "length")


async def test_markup_and_fragments_are_not_quoted() -> None:
    text = "- Owls hunt\n  mice at night."
    assert text_of(await answer("owls hunt mice night", hits(text, collection=""), Words())) == (
        "Owls hunt mice at night. [1]"
    )
    assert text_of(await answer("owls", hits("Owls.", collection=""), Words())) == NOTHING


async def test_reference_marks_of_a_document_are_not_taken_for_citations() -> None:
    text = "Owls hunt mice at night [2], [3, 4] and [5–7]."
    assert text_of(await answer("Do owls hunt mice?", hits(text, collection=""), Words())) == (
        "Owls hunt mice at night (2), (3, 4) and (5–7). [1]"
    )


def test_the_question_is_the_graphs_own_where_it_is_given() -> None:
    prompt = {"role": "user", "content": "Answer using ONLY …", "question": "Why?"}
    assert find_question([{"role": "user", "content": "old"}, prompt]) == "Why?"
    blocks = [{"type": "text", "text": "What"}, {"type": "text", "text": "now?"}]
    assert (
        find_question([{"role": "user", "content": blocks}, {"role": "assistant", "content": "x"}])
        == "What now?"
    )
    assert find_question([]) == ""
