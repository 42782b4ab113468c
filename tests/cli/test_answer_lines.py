"""The file of answers is continued where it was cut off, at whatever byte, and never holds a line twice."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.answer_lines import AnswerLines
from runtime.errors import CannotStart, StorageError

LINES = [b'{"row":%d,"input":{"n":%d},"output":{}}\n' % (n, n) for n in range(1, 8)]
WHOLE = b"".join(LINES)


def write(path: Path, pages: list[list[bytes]], *, finish: bool = True) -> None:
    answers = AnswerLines(path)
    answers.check({"n": 1})
    for page in pages:
        answers.write(page)
    if finish:
        answers.finish()
    answers.close()


@given(st.integers(0, len(WHOLE)), st.lists(st.integers(0, len(LINES)), max_size=4))
def test_a_file_that_was_cut_anywhere_becomes_whole(cut: int, places: list[int]) -> None:
    bounds = [0, *sorted(places), len(LINES)]
    pages = [LINES[a:b] for a, b in pairwise(bounds)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.jsonl"
        path.write_bytes(WHOLE[:cut])
        write(path, pages)
        assert path.read_bytes() == WHOLE


def test_what_is_there_stays_until_the_end_is_known(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(WHOLE)
    write(path, [LINES[:2]], finish=False)
    assert path.read_bytes() == WHOLE


def test_an_answer_that_has_changed_is_written_anew_with_all_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(WHOLE)
    changed = [*LINES[:3], LINES[3].replace(b"output", b"error"), *LINES[4:]]
    write(path, [changed])
    assert path.read_bytes() == b"".join(changed)
    write(path, [changed[:2]])
    assert path.read_bytes() == b"".join(changed[:2])


@pytest.mark.parametrize("held", [b"precious\n", b'{"row":1,"input":{"n":2}}\n', b"[1]\n", b"precious"])
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(held)
    with pytest.raises(CannotStart, match="something else"):
        write(path, [LINES])
    assert path.read_bytes() == held


def test_two_cannot_write_one_file(tmp_path: Path) -> None:
    first = AnswerLines(tmp_path / "out.jsonl")
    with pytest.raises(CannotStart, match="another process"):
        AnswerLines(tmp_path / "out.jsonl")
    first.close()


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(CannotStart, match="no file"):
            AnswerLines(path)
    with pytest.raises(CannotStart, match="cannot be written"):
        AnswerLines(tmp_path / "no" / "out.jsonl")


@pytest.mark.parametrize("pages", [[LINES], [LINES[:1], LINES[1:]]])
def test_a_full_disk_is_one_sentence_and_what_fits_stays(tmp_path: Path, pages: list[list[bytes]]) -> None:
    path, before = tmp_path / "out.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(WHOLE) - 10, before[1]))
    try:
        with pytest.raises(
            StorageError, match=r"out\.jsonl cannot be written any more \(File too large\); mend"
        ):
            write(path, pages)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert WHOLE.startswith(path.read_bytes())
    write(path, pages)
    assert path.read_bytes() == WHOLE
