"""CSV: the delimiter is found, cells get the types of the graph's input, and only a row at a time is held."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.tables.columns import Columns, fit
from hub.tables.file import UNDECODED, TableFile, whole
from runtime.batches.batch import NewRow
from runtime.errors import CannotStart
from runtime.search.formats.delimited import LONGEST_FIELD, find_delimiter
from runtime.search.formats.source import NotReadable, Source

_EXCEL = "sep="
"""How the line begins in which Excel says its delimiter."""


class Delimited:
    """A CSV file whose first row names its columns."""

    def __init__(self, file: TableFile, schema: Mapping[str, Any]) -> None:
        """CannotStart when it has no rows, or its columns are not the graph's inputs."""
        self._file, name = file, file.path.name
        source = Source(file.path, file.encoding, lambda read: None, lambda line, sentence: None)
        try:
            self._delimiter = find_delimiter(source)
        except NotReadable as error:
            raise CannotStart(f"{name}: {error}") from error
        rows = self._rows()
        _, names = next(rows, (0, ()))
        self.columns: Columns = fit(names, schema, name)
        if next(rows, None) is None:
            raise CannotStart(f"{name} has a header and no rows; add some.")

    def rows(self) -> Iterator[NewRow]:
        """Yield the rows, each with the line it begins in."""
        rows = self._rows()
        next(rows)
        for line, cells in rows:
            yield self._row(line, cells)

    def _row(self, line: int, cells: Sequence[str]) -> NewRow:
        width = len(self.columns.kinds)
        if not whole("".join(cells)):
            return NewRow(None, line, UNDECODED)
        if len(cells) != width:
            return NewRow(
                None, line, f"It has {len(cells)} cells where the header has {width}; mend the row."
            )
        return NewRow(self.columns.of_text(cells, comma=self._delimiter == ";"), line)

    def _rows(self) -> Iterator[tuple[int, Sequence[str]]]:
        """Yield the rows that are not empty, the header first, each with the line it begins in."""
        csv.field_size_limit(LONGEST_FIELD)
        path, encoding = self._file.path, self._file.encoding
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as lines:
            reader, line = csv.reader(lines, delimiter=self._delimiter), 1
            try:
                for cells in reader:
                    if any(cells) and not (line == 1 and cells[0].lower().startswith(_EXCEL)):
                        yield line, cells
                    line = reader.line_num + 1
            except csv.Error as error:
                raise CannotStart(
                    f"{path.name} line {line}: {error}; is a quotation mark missing?"
                ) from error
