"""Reading Markdown."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.search.data import Piece
from runtime.search.formats.sections import PROSE_LIMIT

Read = Callable[..., list[Piece]]


def test_markdown_is_cut_at_headings_with_their_path_as_title_and_the_line(read: Read) -> None:
    pieces = read("a.md", "intro\n\n# Guide\n\ntext\n\n## Install ##\nrun it\n\n# Other\nmore\n")
    assert [(p.title, p.text, p.line) for p in pieces] == [
        ("a.md", "intro", 1),
        ("Guide", "text", 5),
        ("Guide > Install", "run it", 8),
        ("Other", "more", 11),
    ]


def test_underlined_headings_are_headings_and_rules_are_not(read: Read) -> None:
    pieces = read("a.md", "Guide\n=====\ntext\n\nPart\n----\nmore\n\n---\n\nend\n")
    assert [(p.title, p.text) for p in pieces] == [("Guide", "text"), ("Guide > Part", "more\n\n---\n\nend")]


def test_a_hash_inside_a_fence_is_no_heading(read: Read) -> None:
    pieces = read("a.md", "# Guide\n```sh\n# a comment\nls\n```\n## Next\nx\n")
    assert [p.title for p in pieces] == ["Guide", "Guide > Next"]
    assert "# a comment" in pieces[0].text


def sentences(pieces: list[Piece]) -> list[str]:
    return [piece.text[start:end] for piece in pieces for start, end in piece.spans]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Do this.\n```sh\nmake. Then. It.\n```\nThen wait. Done.\n", ["Do this.", "Then wait.", "Done."]),
        ("Do this:\n\n    make demo\n\n    make test\n\nThen wait.\n", ["Do this:", "Then wait."]),
        ("~~~\nOpen. Without end.\n", []),
        ("- One.\n\n    Still one.\n- Two.\n", ["- One.", "Still one.", "- Two."]),
        ("1. One.\n\n\tStill one.\n\nText.\n\n\tcode\n", ["1. One.", "Still one.", "Text."]),
        ("A line\n    that is broken. Next.\n", ["A line\n    that is broken.", "Next."]),
    ],
)
def test_code_can_be_found_and_is_no_sentence(read: Read, text: str, told: list[str]) -> None:
    pieces = read("a.md", text)
    assert sentences(pieces) == told
    assert "".join("".join(piece.text for piece in pieces).split()) == "".join(text.split())


def test_code_is_none_wherever_a_long_section_is_cut(read: Read) -> None:
    block = "A sentence of prose. And one more.\n\n```\nno. sentence. here.\n```\n\n"
    told = sentences(read("a.md", block * 3_000))
    assert told == ["A sentence of prose.", "And one more."] * 3_000


def test_a_heading_without_text_can_still_be_found(read: Read) -> None:
    assert [(p.title, p.text) for p in read("a.md", "# Lonely\n# Next\nx")] == [
        ("Lonely", "Lonely"),
        ("Next", "x"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["# A\n", "## B b\n", "text here\n", "\n", "=====\n", "---\n", "```\n", "- x\n", "y" * 1500]
        )
    ).map("".join)
)
def test_no_word_of_markdown_is_lost_and_no_passage_is_too_long(read: Read, text: str) -> None:
    pieces = read("a.md", text)
    found = "".join("".join((p.title + p.text).split()) for p in pieces)
    for word in ("A", "Bb", "texthere", "-x"):
        assert word not in "".join(text.split()) or word in found
    assert sum(p.text.count("y") for p in pieces) + sum(p.title.count("y") for p in pieces) >= text.count("y")
    assert all(len(p.text) <= PROSE_LIMIT for p in pieces)
