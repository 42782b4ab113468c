"""Reading plain text."""

import os
from collections.abc import Callable

from runtime.search.data import Piece
from runtime.search.formats.sections import PROSE_LIMIT

Read = Callable[..., list[Piece]]


def test_in_plain_text_there_is_no_code(read: Read) -> None:
    pieces = read("a.txt", "\n    Deep. Text.\n")
    assert [piece.text[start:end] for piece in pieces for start, end in piece.spans] == ["Deep.", "Text."]


def test_a_text_without_end_is_read_in_parts_and_lines_stay_right(read: Read) -> None:
    lines = [f"This is line number {number} of a long text." for number in range(1, 9001)]
    pieces = read("big.txt", "\n".join(lines))
    assert "".join("".join(p.text.split()) for p in pieces) == "".join(
        "".join(line.split()) for line in lines
    )
    assert all(p.text.startswith(f"This is line number {p.line} of") for p in pieces)
    assert all(len(p.text) <= PROSE_LIMIT for p in pieces)


def test_a_file_whose_name_is_no_text_is_read_and_shown_all_the_same(read: Read) -> None:
    (piece,) = read(os.fsdecode(b"\xff owls.txt"), "Owls hunt.")
    assert piece.title == "\\xff owls.txt"
