"""Cutting texts into passages."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.search.splitter import split_text

PROSE = st.lists(
    st.sampled_from(
        [
            "word",
            "A sentence.",
            " ",
            "\n",
            "\n\n",
            "\t",
            "e.g. this",
            "été",
            "長い文。",
            "x" * 37,
            "🦉",
            "- item\n",
        ]
    )
).map("".join)


def without_space(text: str) -> str:
    return "".join(text.split())


@given(st.one_of(PROSE, st.text()), st.integers(1, 60))
def test_no_text_is_lost_and_no_passage_is_too_long(text: str, limit: int) -> None:
    spans = split_text(text, limit)
    assert "".join(without_space(text[start:end]) for start, end in spans) == without_space(text)
    assert all(0 < end - start <= limit for start, end in spans)
    assert spans == sorted(spans)
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)


def test_paragraphs_are_packed_together_and_not_cut_when_they_fit() -> None:
    text = "one one one\n\ntwo two two\n\nthree three"
    assert [text[a:b] for a, b in split_text(text, 26)] == ["one one one\n\ntwo two two", "three three"]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = "First sentence here. Second sentence here. Third sentence here."
    assert [text[a:b] for a, b in split_text(text, 45)] == [
        "First sentence here. Second sentence here.",
        "Third sentence here.",
    ]
