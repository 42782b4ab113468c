"""Finding sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.search.sentences import find_spans, sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@given(st.text(alphabet=st.sampled_from("aB. \n!?-*1)\"'。é|`") | st.characters()))
def test_every_character_is_in_exactly_one_sentence(text: str) -> None:
    assert "".join("".join(part.split()) for part in sentences(text)) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works. It is quick!  Is it?", ["It works.", "It is quick!", "Is it?"]),
        ("We saw (Smith et al. 2020) this. Then that.", ["We saw (Smith et al. 2020) this.", "Then that."]),
        ("Take one, e.g. Redis. Or none.", ["Take one, e.g. Redis.", "Or none."]),
        ("It cost 3.5 euros. Fine.", ["It cost 3.5 euros.", "Fine."]),
        ("A line that\ngoes on. New one.", ["A line that\ngoes on.", "New one."]),
        ("Title\n\nText here.", ["Title", "Text here."]),
        ("Choose:\n- one thing\n- another", ["Choose:", "- one thing", "- another"]),
        ("1. Do this. Then.\n2. Do that.", ["1. Do this.", "Then.", "2. Do that."]),
        ("It was in 19. Then not.", ["It was in 19.", "Then not."]),
        ("これは文。次の文。", ["これは文。", "次の文。"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_say(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_given_sentences_are_taken_when_they_are_the_text() -> None:
    text = "One here.  Two there. "
    spans = find_spans(text, ["One here.", "Two there."])
    assert spans is not None
    assert [text[a:b] for a, b in spans] == ["One here.", "Two there."]


@pytest.mark.parametrize("given_sentences", [["One here."], ["Two there.", "One here."], ["Other."], []])
def test_given_sentences_that_are_not_the_text_are_not_taken(given_sentences: list[str]) -> None:
    assert find_spans("One here. Two there.", given_sentences) is None
