"""The retriever given finds passages in texts that the caller gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub import Hit, InvalidInput
from hubbub.testing import FakeContext, RetrieverTests, load
from plugins.given import PASSAGE, Given, Texts

FILE = Path(__file__).parents[2] / "plugins" / "given.py"
OWLS = {
    "id": "o",
    "title": "Owls",
    "url": "https://example.com/owls",
    "text": "They hunt at night.\n\nThey eat mice.",
}


async def search(texts: Any, query: str = "owls at night", k: int = 5) -> Sequence[Hit]:
    return await Given().search(query, k, FakeContext(params=Texts.model_validate({"from": texts})))


class TestGiven(RetrieverTests):
    """The standard tests, on two texts."""

    params = {"from": ["Owls hunt mice at night.", "Larks sing in the morning."]}  # noqa: RUF012

    def make(self) -> Any:
        return load(FILE, "retriever")


async def test_a_hit_names_the_source_that_was_given() -> None:
    (hit,) = await search([OWLS])
    assert (hit.id, hit.text, hit.score) == ("o#1", "They hunt at night.\n\nThey eat mice.", 1.0)
    assert hit.source == {"path": "https://example.com/owls", "id": "o", "title": "Owls", "line": 1}


async def test_what_shares_more_words_comes_first_and_plain_texts_have_a_number() -> None:
    hits = await search(["Larks sing.", "Owls sleep.", "Owls fly at night."], k=2)
    assert [(hit.source["id"], hit.source["title"]) for hit in hits] == [("source 3", ""), ("source 2", "")]


async def test_a_long_text_is_cut_between_paragraphs_and_says_the_line() -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 100 for number in range(10)]
    hits = await search(["\n\n".join(paragraphs)], "paragraph", k=100)
    assert len(hits) == 5
    assert all(hit.text.startswith(f"Paragraph {(hit.source['line'] - 1) // 2}.") for hit in hits)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a word ", "b", "\n", "\n\n", "x" * 1500, " "])).map("".join))
def test_no_word_is_lost_and_no_passage_is_too_long(text: str) -> None:
    from plugins.given import _passages

    passages = [passage for _, passage in _passages(text)]
    assert "".join("".join(passages).split()) == "".join(text.split())
    assert all(len(passage) <= PASSAGE for passage in passages)


async def test_nothing_given_is_nothing_found() -> None:
    assert await search([]) == []
    assert await search(["", "  \n "]) == []


@pytest.mark.parametrize("texts", ["one text", [5], [{"title": "x"}], ["x" * 1_999_999, "xx"]])
async def test_what_is_no_list_of_texts_is_refused(texts: Any) -> None:
    with pytest.raises(InvalidInput):
        await search(texts)
