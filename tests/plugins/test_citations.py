"""Which passages an answer cites."""

from typing import Any

import pytest

from hubbub import InvalidInput
from plugins.citations import CitationCheck, Citations, Cited

PASSAGES = [{"id": name, "text": f"Text {name}.", "score": 0.5, "source": {"path": name}} for name in "abc"]


async def cited(text: str, passages: Any = PASSAGES) -> list[Any]:
    params = Cited.model_validate({"text": text, "from": "passages"})
    found = await Citations().run({}, params.model_copy(update={"passages": passages}), None)  # type: ignore[arg-type]
    return [(each["number"], each["id"]) for each in found]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("One [2].", [2]),
        ("Both [3] and [1], [3] again.", [1, 3]),
        ("Together [1, 3] and [2,3].", [1, 2, 3]),
        ("Neither [0] nor [4] nor [99999] nor [x] nor [].", []),
        ("Nothing.", []),
        ("", []),
    ],
)
async def test_only_what_is_cited_is_a_source_by_its_number(text: str, numbers: list[int]) -> None:
    assert await cited(text) == [(number, "abc"[number - 1]) for number in numbers]


async def test_without_passages_there_are_no_sources() -> None:
    assert await cited("One [1].", None) == []
    assert await cited("One [1].", []) == []


async def test_a_source_says_where_it_is_from() -> None:
    params = Cited.model_validate({"text": "[1]", "from": "passages"}).model_copy(
        update={"passages": PASSAGES}
    )
    (source,) = await Citations().run({}, params, None)  # type: ignore[arg-type]
    about = {"id": "a", "text": "Text a.", "score": 0.5, "source": {"path": "a"}}
    assert source == {"number": 1, **about, "quotes": []}


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("Owls hunt at night. [1]", ["Owls hunt\n  at night."]),
        ("Owls hunt at night [1]. They see well. [1]", ["Owls hunt\n  at night", "They see well."]),
        ("They see well. [2] [1]", ["They see well."]),
        ("They see well. [2, 1] They see well. [1]", ["They see well."]),
        ("At night owls hunt. [1]", []),
        ("Larks sing. [2] They see well. [1]", ["They see well."]),
        ("They see (very) well. [1]", []),
        ("[1]", []),
        ("word " * 1_000 + "[1]", []),
    ],
)
async def test_what_is_quoted_word_by_word_is_pointed_at(text: str, quoted: list[str]) -> None:
    passage = {"id": "a", "text": "Intro. Owls hunt\n  at night. They see well."}
    params = Cited.model_validate({"text": text, "from": "passages"})
    found = await Citations().run({}, params.model_copy(update={"passages": [passage]}), None)  # type: ignore[arg-type]
    assert [passage["text"][place["start"] : place["end"]] for place in found[0]["quotes"]] == quoted


@pytest.mark.parametrize(
    ("text", "passages", "wrong"),
    [
        ("Both [3] and [1, 2].", PASSAGES, ""),
        ("Nothing [x].", [], ""),
        ("One [4].", PASSAGES, "The text cites [4], but the sources are [1] to [3]; cite one of those"),
        ("One [0] [1, 99].", PASSAGES, "The text cites [0], [99], but the sources are [1] to [3]"),
        (
            "One [1].",
            None,
            "The text cites [1], but there are no sources; cite one of those, or leave it out.",
        ),
    ],
)
async def test_what_is_cited_and_was_not_given_is_said(text: str, passages: Any, wrong: str) -> None:
    params = Cited.model_validate({"text": text, "from": "passages"})
    found = await CitationCheck().run({}, params.model_copy(update={"passages": passages}), None)  # type: ignore[arg-type]
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


async def test_a_strict_step_refuses_what_was_not_given() -> None:
    params = Cited.model_validate({"text": "One [4].", "from": "passages", "strict": True})
    with pytest.raises(InvalidInput, match=r"The text cites \[4\], but the sources are \[1\] to \[3\]"):
        await Citations().run({}, params.model_copy(update={"passages": PASSAGES}), None)  # type: ignore[arg-type]


async def test_a_note_in_a_passage_that_is_quoted_is_no_source_that_was_not_given() -> None:
    passages = [{"id": "a", "text": "Owls hunt mice [12] at night."}]
    params = Cited.model_validate({"text": '"Owls hunt mice [12]" [1] [13]', "from": "passages"})
    found = await CitationCheck().run({}, params.model_copy(update={"passages": passages}), None)  # type: ignore[arg-type]
    assert found.startswith("The text cites [13], but the sources are [1] to [1]")
