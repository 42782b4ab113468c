"""Reading JSON Lines."""

from collections.abc import Callable

import orjson

from runtime.search.data import Piece
from runtime.search.formats.records import RECORD_LIMIT

Read = Callable[..., list[Piece]]


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


def test_an_id_that_an_earlier_record_has_is_refused_and_said_with_both_lines(
    read: Read, complaints: list[tuple[int, str]]
) -> None:
    pieces = read("a.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n{"id": "1", "text": "c"}\n')
    assert [p.text for p in pieces] == ["a", "b"]
    assert complaints == [(3, 'the id "1" is that of line 1 already; give each record its own.')]
