"""Opens a table by the ending of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from hub.tables.delimited import Delimited
from hub.tables.file import TableFile
from hub.tables.jsonlines import JsonLines
from hub.tables.parquet import Parquet
from runtime.batches.batch import NewRow
from runtime.errors import CannotStart

DELIMITED = frozenset({".csv", ".tsv", ".txt"})
LINES = frozenset({".jsonl", ".ndjson"})
PARQUET = frozenset({".parquet", ".pq"})


class Table(Protocol):
    """Rows of inputs that can be read again and again, never all at once."""

    def rows(self) -> Iterator[NewRow]:
        """Yield the rows in their order."""


def is_text(suffix: str) -> bool:
    """Whether files with this ending hold text; CannotStart for an ending that is none of a table."""
    if suffix.lower() in DELIMITED | LINES:
        return True
    if suffix.lower() in PARQUET:
        return False
    raise CannotStart(
        f"A table ends in .csv, .tsv, .jsonl or .parquet, not in {suffix or 'nothing'}; rename it."
    )


def open_table(file: TableFile, schema: Mapping[str, Any]) -> tuple[Table, tuple[str, ...]]:
    """Return a table of inputs that fit `schema`, and the columns that no input takes; CannotStart."""
    suffix = file.path.suffix.lower()
    if suffix in LINES:
        return JsonLines(file), ()
    table = Delimited(file, schema) if suffix in DELIMITED else Parquet(file, schema)
    return table, table.columns.ignored
