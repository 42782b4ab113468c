"""Parquet, read in pieces through pyarrow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from hub.tables.columns import Columns, fit
from hub.tables.file import TableFile
from runtime.batches.batch import NewRow
from runtime.errors import CannotStart

_AT_ONCE = 1000


class Parquet:
    """A Parquet file; its rows have numbers and no lines."""

    def __init__(self, file: TableFile, schema: Mapping[str, Any]) -> None:
        """CannotStart without pyarrow, for a file that is none or has no rows, or for other columns."""
        try:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise CannotStart('Parquet needs pyarrow; run: pip install "hubbub[parquet]"') from None
        self._name = file.path.name
        try:
            self._parquet = ParquetFile(file.path)
        except (ArrowException, OSError) as error:
            raise CannotStart(f"{self._name} is no Parquet file ({_short(error)}); name one.") from error
        self.columns: Columns = fit(self._parquet.schema_arrow.names, schema, self._name)
        if not self._parquet.metadata.num_rows:
            raise CannotStart(f"{self._name} has no rows; add some.")

    def rows(self) -> Iterator[NewRow]:
        """Yield the rows; one that JSON cannot hold has that as its problem."""
        from pyarrow import ArrowException

        try:
            for batch in self._parquet.iter_batches(_AT_ONCE):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield self._row(values)
        except (ArrowException, OSError) as error:
            raise CannotStart(f"{self._name} is broken ({_short(error)}); write it again.") from error

    def _row(self, values: tuple[Any, ...]) -> NewRow:
        try:
            return NewRow(self.columns.of_values([plain(value) for value in values]))
        except ValueError as error:
            return NewRow({}, problem=str(error))


def plain(value: Any) -> Any:
    """Return a value as JSON has it; ValueError for one that it has not."""
    match value:
        case float() if not math.isfinite(value):
            raise ValueError(f"It holds {value}, which JSON has not; leave the cell empty instead.")
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return plain(float(value))
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
    raise ValueError(f"It holds a value of type {type(value).__name__}, which JSON has not; leave it out.")


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
