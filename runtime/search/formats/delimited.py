"""Reading CSV and TSV: one record a row, named by the first one."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any, TextIO

from runtime.search.data import Piece
from runtime.search.formats.records import Records
from runtime.search.formats.source import BadLine, NotReadable, Source

LONGEST_FIELD = 1024 * 1024
"""Characters of one value; more than that are a quote that was never closed."""
LONGEST_LINE = 16 * 1024 * 1024
"""Characters of one line; a longer one is skipped and reported."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_SAMPLE_LINES = 100
_SAMPLE_LINE = 64 * 1024
_REPORT_EVERY = 256
_RESERVED = frozenset({"id", "_id", "title", "text"})
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")


def read_delimited(source: Source) -> Iterator[Piece]:
    """Yield one passage a row (more where it is long); rows that cannot be read are complained of.

    The columns `id` or `_id`, `title` and `text` are used and the rest is metadata; where there is no
    column `text`, the text of a row is its values with their names.
    """
    return _pieces(source, find_delimiter(source))


def find_delimiter(source: Source) -> str:
    """Return what separates the columns: what cuts most lines like the first one, and that the finest.

    NotReadable when the first line names no columns.
    """
    with source.path.open(encoding=source.encoding, errors="surrogateescape", newline="") as file:
        lines = [line for _ in range(_SAMPLE_LINES) if (line := file.readline(_SAMPLE_LINE))]
    if lines and (told := _told(lines[0])):
        return told
    if lines and not lines[0].strip():
        raise NotReadable("The first line is empty; name the columns there.")
    csv.field_size_limit(LONGEST_FIELD)
    return max(DELIMITERS, key=lambda delimiter: _evenness(lines, delimiter))


def _told(line: str) -> str:
    """Return the delimiter that Excel writes into a first line of its own, "" without one."""
    found = re.fullmatch(r"\ufeff?\"?sep=(.)\"?\s*", line, re.IGNORECASE)
    return found.group(1) if found else ""


def _evenness(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return (0.0, 0)
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (widths.count(widths[0]) / len(widths), widths[0])


def _pieces(source: Source, delimiter: str) -> Iterator[Piece]:
    with (
        source.path.open(encoding=source.encoding, errors="surrogateescape", newline="") as file,
        closing(Records()) as records,
    ):
        rows = _Rows(_lines(file, source), delimiter)
        columns: list[str] = []
        while True:
            try:
                if (row := rows.next()) is None:
                    return
                if not columns:
                    columns = _columns(row)
                elif any(row):
                    yield from records.pieces(_record(columns, row, delimiter), rows.line)
            except BadLine as error:
                source.complain(rows.line, str(error))


class _Rows:
    """Rows with the line that each begins at."""

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        first = next(lines, "")
        self._before = 1 if _told(first) else 0
        csv.field_size_limit(LONGEST_FIELD)
        self._ended = False
        rest = self._noting(lines if self._before else chain([first], lines))
        self._rows = csv.reader(rest, delimiter=delimiter, skipinitialspace=True)
        self.line = 1

    def next(self) -> list[str] | None:
        """Return the next row, None after the last; BadLine when it cannot be read."""
        self.line = self._before + self._rows.line_num + 1
        try:
            row = next(self._rows, None)
        except csv.Error:
            raise BadLine(
                f"a value is longer than {LONGEST_FIELD // 2**20} MiB, so a quote is never closed; close it. "
                f"All up to line {self._before + self._rows.line_num} is left out."
            ) from None
        if row is not None and self._ended:
            # Only inside quotes does a row ask for lines that there are not.
            raise BadLine("a quote is never closed; close it. All from here on is left out.")
        if row is not None and not _is_text(row):
            raise BadLine("not in the encoding of the rest; save the file as UTF-8.")
        return row

    def _noting(self, lines: Iterator[str]) -> Iterator[str]:
        yield from lines
        self._ended = True


def _is_text(row: Sequence[str]) -> bool:
    """Whether all bytes of a row could be decoded."""
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines(file: TextIO, source: Source) -> Iterator[str]:
    """Yield lines; one that is too long is left out."""
    number = told = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            while line and not line.endswith(("\n", "\r")):
                line = file.readline(LONGEST_LINE)
            source.complain(number, f"the line is longer than {LONGEST_LINE // 2**20} MiB; split it.")
            line = "\n"
        yield line.replace("\0", " ")
        if number % _REPORT_EVERY == 0:
            source.advance((now := file.buffer.tell()) - told)
            told = now
    source.advance(file.buffer.tell() - told)


def _columns(row: Sequence[str]) -> list[str]:
    """Return the names of the columns: those that we use in small letters, no two of them the same."""
    names: list[str] = []
    for number, cell in enumerate(row, start=1):
        name = cell.strip().removeprefix("\ufeff") or f"column {number}"
        name = name.lower() if name.lower() in _RESERVED else name
        names.append(name if name not in names else f"{name} ({number})")
    return names


def _record(columns: Sequence[str], row: Sequence[str], delimiter: str) -> Mapping[str, Any]:
    """Return a row as a record; empty values are none."""
    if len(row) < len(columns) or any(row[len(columns) :]):
        found = f"{len(row)} column{'' if len(row) == 1 else 's'} where the first line has {len(columns)}"
        by = DELIMITERS.get(delimiter, delimiter)
        if len(row) < len(columns):
            raise BadLine(f"{found}, separated by {by}; add the missing ones, empty if need be.")
        raise BadLine(f"{found}; put values that hold {by} in double quotes.")
    values = {name: value.strip() for name, value in zip(columns, row, strict=False) if value.strip()}
    record = {name: value if name in _RESERVED else _scalar(value) for name, value in values.items()}
    if "text" not in columns:
        named = (f"{name}: {value}" for name, value in values.items() if name not in _RESERVED)
        record["text"] = "\n".join(named)
    return record


def _scalar(value: str) -> Any:
    """Return a value as a filter compares it: what is written like a number is one."""
    if not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)
