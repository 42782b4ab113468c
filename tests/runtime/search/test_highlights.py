"""The sentences of a hit, with the words of the query marked."""

import re

from hypothesis import given
from hypothesis import strategies as st

from runtime.search.highlights import best_sentences, mark, read_marks
from runtime.search.rows import Row

BEGIN, END = "\ue000", "\ue001"


def row(text: str, spans: str = "[]") -> Row:
    return Row(1, "k", None, "", text, 1, 0, spans, "{}", "a.md")


def marked(text: str) -> str:
    return text.replace("<<", BEGIN).replace(">>", END)


def test_the_sentences_with_most_words_are_shown_in_the_order_of_the_text() -> None:
    written = marked("No. An <<owl>> is. Not. <<Owls>> and <<owls>>. One <<owl>>. Last <<owl>>.")
    text = written.replace(BEGIN, "").replace(END, "")
    ends = [end for found in re.finditer(r"[^. ][^.]*\.", text) for end in found.span()]
    found = best_sentences(row(text, str(ends)), written)
    assert [each["html"] for each in found] == [
        "An <mark>owl</mark> is.",
        "<mark>Owls</mark> and <mark>owls</mark>.",
        "One <mark>owl</mark>.",
    ]
    assert text[found[1]["start"] : found[1]["end"]] == "Owls and owls."


def test_nothing_of_a_text_becomes_markup() -> None:
    text = '<script>alert("owls")</script> & <mark>'
    (found,) = best_sentences(row(text), text.replace("owls", f"{BEGIN}owls{END}"))
    assert found["html"] == (
        "&lt;script&gt;alert(&quot;<mark>owls</mark>&quot;)&lt;/script&gt; &amp; &lt;mark&gt;"
    )


def test_a_text_that_has_the_marks_itself_is_left_alone() -> None:
    text = f"owls {BEGIN}owls"
    assert best_sentences(row(text), f"{BEGIN}owls{END} {BEGIN}{BEGIN}owls{END}") == []


@given(st.lists(st.tuples(st.text("ab <&🦉\n"), st.text("xy>é", min_size=1)), max_size=6), st.text("ab"))
def test_marks_lead_back_to_the_words(pieces: list[tuple[str, str]], rest: str) -> None:
    written = "".join(f"{before}{BEGIN}{word}{END}" for before, word in pieces) + rest
    text = written.replace(BEGIN, "").replace(END, "")
    spans = read_marks(written)
    assert [text[start:end] for start, end in spans] == [word for _, word in pieces]
    html = mark(text, (0, len(text)), spans)
    assert set(re.findall("<[^>]*>", html)) <= {"<mark>", "</mark>"}
