"""Reading documents."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.search.data import Piece
from runtime.search.documents import read_document
from runtime.search.formats import PROSE_LIMIT, RECORD_LIMIT

Read = Callable[[str, str | bytes], list[Piece]]


@pytest.fixture
def complaints() -> list[tuple[int, str]]:
    return []


@pytest.fixture
def read(tmp_path: Path, complaints: list[tuple[int, str]]) -> Read:
    def read(name: str, content: str | bytes) -> list[Piece]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(
            read_document(
                path, "utf-8-sig", lambda _: None, lambda line, text: complaints.append((line, text))
            )
        )

    return read


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


def test_in_plain_text_there_is_no_code(read: Read) -> None:
    assert sentences(read("a.txt", "\n    Deep. Text.\n")) == ["Deep.", "Text."]


def test_a_heading_without_text_can_still_be_found(read: Read) -> None:
    assert [(p.title, p.text) for p in read("a.md", "# Lonely\n# Next\nx")] == [
        ("Lonely", "Lonely"),
        ("Next", "x"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
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


def test_a_text_without_end_is_read_in_parts_and_lines_stay_right(read: Read) -> None:
    lines = [f"This is line number {number} of a long text." for number in range(1, 9001)]
    pieces = read("big.txt", "\n".join(lines))
    assert "".join("".join(p.text.split()) for p in pieces) == "".join(
        "".join(line.split()) for line in lines
    )
    assert all(p.text.startswith(f"This is line number {p.line} of") for p in pieces)
    assert all(len(p.text) <= PROSE_LIMIT for p in pieces)


def test_a_record_is_one_passage_with_its_own_id_title_line_and_metadata(read: Read) -> None:
    rows = [
        {"_id": 7, "title": "T", "text": "One. Two.", "year": 2020, "sentences": ["One.", "Two."]},
        {"text": "No id.", "sentences": ["other"]},
    ]
    pieces = read("a.jsonl", b"\n\n".join(orjson.dumps(row) for row in rows))
    assert pieces == [
        Piece("One. Two.", "T", 1, "7", ((0, 4), (5, 9)), {"year": 2020}),
        Piece("No id.", "", 3, "", ((0, 6),), {"sentences": ["other"]}),
    ]


def test_a_long_record_becomes_several_passages_of_one_id(read: Read) -> None:
    sentences = [f"Sentence number {number} is here." for number in range(400)]
    row = {"id": "x", "title": "T", "text": " ".join(sentences), "sentences": sentences}
    pieces = read("a.jsonl", orjson.dumps(row))
    assert len(pieces) > 2
    assert {p.record for p in pieces} == {"x"}
    assert all(len(p.text) <= RECORD_LIMIT for p in pieces)
    assert [p.text[a:b] for p in pieces for a, b in p.spans] == sentences


def test_bad_lines_are_complained_of_and_the_rest_is_read(
    read: Read, complaints: list[tuple[int, str]]
) -> None:
    lines = [
        b'\xef\xbb\xbf{"id": "1", "text": "first"}',
        b"{not json",
        b'["a list"]',
        b'{"id": "2"}',
        b'{"text": 5}',
        b'{"text": "\xff\xfe"}',
        b"{}",
        b"",
        b'{"id": "3", "text": "last", "title": null}',
    ]
    pieces = read("a.jsonl", b"\r\n".join(lines))
    assert [p.record for p in pieces] == ["1", "3"]
    assert [line for line, _ in complaints] == [2, 3, 4, 5, 6, 7]
    assert all(sentence.endswith(".") for _, sentence in complaints)
