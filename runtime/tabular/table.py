"""Reading a CSV file: its encoding and delimiter are found out, its cells kept as numbers of their values."""

from __future__ import annotations

import codecs
import csv
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from runtime.errors import InvalidInput, NotFound, TooLarge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES: Final = 2 * 1024**3
MOST_COLUMNS: Final = 1_000
DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 256 * 1024
_BLOCK: Final = 1024 * 1024
_LOOKED_AT: Final = 200
"""Lines from which the delimiter is found out."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EXCEL: Final = re.compile(r"\ufeff?sep=(.)\r?\n?", re.IGNORECASE)
"""A first line by which Excel is told the delimiter."""
_FALLBACKS: Final = ["cp1252", "cp1250", "cp1251", "utf_16_le", "utf_16_be", "shift_jis", "gb18030", "koi8_r"]


@dataclass(frozen=True, slots=True)
class Cells:
    """A column as it was written: its different values, and for each row the number of its value."""

    values: Sequence[str]
    codes: NDArray[np.int32]

    def counts(self) -> NDArray[np.int64]:
        """Return how many rows have each value."""
        import numpy as np

        return np.bincount(self.codes, minlength=len(self.values)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was read: its columns in their order, all of the same length."""

    columns: dict[str, Cells]
    rows: int
    encoding: str
    delimiter: str

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return a table of these rows, in this order."""
        cut = {name: Cells(cells.values, cells.codes[rows]) for name, cells in self.columns.items()}
        return Table(cut, len(rows), self.encoding, self.delimiter)


def read_table(path: Path) -> Table:
    """Read a file of rows with a line of names; InvalidInput says what is wrong with it, and where."""
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            told = _EXCEL.fullmatch(file.readline(_BLOCK))
            begin = file.tell() if told else 0
            file.seek(begin)
            delimiter = told[1] if told else _delimiter(file, path)
            file.seek(begin)
            return _read(file, path, encoding, delimiter)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path} is not text in one encoding ({encoding} fails at byte {error.start}); save it as UTF-8."
        ) from None
    except csv.Error as error:
        raise InvalidInput(f"{path} cannot be read as CSV ({error}); save it again as CSV.") from None


def _encoding(path: Path) -> str:
    """Return the encoding by the file's mark, else UTF-8 where all of it is, else the likeliest."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            sample = file.read(_SAMPLE)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no file {path}; name a CSV file.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); name a CSV file.") from None
    if size > MOST_BYTES:
        raise TooLarge(f"{path} has {size / 2**30:.1f} GiB, at most 2 are read; give the newest rows alone.")
    if not sample.strip():
        raise InvalidInput(f"{path} is empty; give a CSV file with a line of names and a row for each lead.")
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if sample.startswith(b"PK\x03\x04"):
        raise InvalidInput(f"{path} is an Excel workbook or an archive; save the sheet as CSV.")
    if _is_utf8(path):
        return "utf-8"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_FALLBACKS).best()
    if best is None:
        raise InvalidInput(f"{path} is no text that can be read; save the table as CSV in UTF-8.")
    return best.encoding


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                if b"\0" in block:
                    return False
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _delimiter(file: TextIO, path: Path) -> str:
    """Return the delimiter that cuts the first lines into the most columns, the same number in each."""
    lines = [line for line, _ in zip(_lines(file), range(_LOOKED_AT), strict=False)]
    widths = {delimiter: _width(lines, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: widths[delimiter])
    if widths[best] < 2:
        raise InvalidInput(
            f"{path} has no columns that a comma, semicolon, tab or | keeps apart; save it again as CSV."
        )
    return best


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(_BLOCK):
        yield line


def _width(lines: Sequence[str], delimiter: str) -> int:
    """Return how many columns nearly all rows have; 1 when they do not agree."""
    try:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    except csv.Error:
        return 1
    (width, rows), *_ = widths.most_common(1) or [(1, 0)]
    return width if rows >= 0.9 * sum(widths.values()) else 1


def _read(file: TextIO, path: Path, encoding: str, delimiter: str) -> Table:
    import numpy as np

    reader = csv.reader(file, delimiter=delimiter)
    names = _names(next(reader), path)
    known: list[dict[str, int]] = [{} for _ in names]
    codes = [array("i") for _ in names]
    width, rows, odd, first = len(names), 0, 0, 0
    for row in reader:
        if len(row) == width:
            for value, seen, column in zip(row, known, codes, strict=True):
                column.append(seen.setdefault(value, len(seen)))
            rows += 1
        elif any(cell.strip() for cell in row):
            odd, first = odd + 1, first or reader.line_num
    if odd:
        raise InvalidInput(
            f"{path} has {odd:,} rows that have not {width} cells as its first line has (the first ends on "
            f"line {first}); mend them, or take them out."
        )
    if not rows:
        raise InvalidInput(f"{path} has a line of names and no rows; add a row for each lead.")
    columns = {
        name: Cells(tuple(seen), np.frombuffer(column, dtype=np.int32))
        for name, seen, column in zip(names, known, codes, strict=True)
    }
    return Table(columns, rows, encoding, delimiter)


def _names(row: Sequence[str], path: Path) -> list[str]:
    """Return the names of the columns; one without a name is called by its place."""
    if len(row) > MOST_COLUMNS:
        raise TooLarge(f"{path} has {len(row):,} columns, at most {MOST_COLUMNS:,} are read; leave some out.")
    names = [name.strip() or f"column {place}" for place, name in enumerate(row, start=1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InvalidInput(
            f"{path} has more than one column {', '.join(twice)}; give every column its own name."
        )
    return names
