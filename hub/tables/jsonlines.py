"""JSON Lines: every line an object with a graph's input."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from hub.tables.file import UNDECODED, TableFile, whole
from runtime.batches.batch import NewRow
from runtime.errors import CannotStart

_LONGEST = 1 << 24
"""Characters of one line."""


class JsonLines:
    """A file of JSON Lines."""

    def __init__(self, file: TableFile) -> None:
        """CannotStart when it has no rows."""
        self._file = file
        if next(self.rows(), None) is None:
            raise CannotStart(f"{file.path.name} has no rows; add some.")

    def rows(self) -> Iterator[NewRow]:
        """Yield the rows, each with its line; one that is no JSON has that as its problem."""
        with self._file.path.open(encoding=self._file.encoding, errors="surrogateescape") as lines:
            number = 0
            while line := lines.readline(_LONGEST):
                number += 1
                if len(line) == _LONGEST:
                    raise CannotStart(
                        f"{self._file.path.name} line {number} is longer than {_LONGEST >> 20} MiB; is it "
                        "JSON Lines?"
                    )
                if line.strip():
                    yield _row(line, number)


def _row(line: str, number: int) -> NewRow:
    if not whole(line):
        return NewRow(None, number, UNDECODED)
    try:
        return NewRow(orjson.loads(line), number)
    except orjson.JSONDecodeError as error:
        return NewRow(line.strip()[:1000], number, f"It is not JSON ({error}); mend it.")
