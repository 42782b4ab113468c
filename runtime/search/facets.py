"""Counting values of the metadata over what a search found."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from runtime.errors import InvalidInput
from runtime.search.filters import Condition
from runtime.search.keyword import match_expression
from runtime.search.schema import keyword_table

MAX_FIELDS = 20
SHOWN = 20
"""Values of a field, the most frequent first."""

_DOCUMENT = "p.document || ':' || coalesce(p.record || ':' || p.line, '')"
"""What is counted once: a file, or a record of one, in however many passages it was cut."""


def check_facets(names: Sequence[Any]) -> None:
    """Refuse what names no fields; InvalidInput."""
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise InvalidInput(
            'Facets are names of metadata fields, as in ["year", "path"]; write a list of them.'
        )
    if len(names) > MAX_FIELDS:
        raise InvalidInput(f"Facets of {len(names)} fields are too many; ask for at most {MAX_FIELDS}.")


def count_facets(
    connection: sqlite3.Connection,
    collection: int,
    names: Sequence[str],
    query: str,
    condition: Condition,
    shown: Sequence[int],
) -> Mapping[str, Any]:
    """Return `{field: [{value, count}, …]}` over the passages with words of the query, and those `shown`."""
    table = keyword_table(collection)
    found, values = "SELECT value FROM json_each(?)", [orjson.dumps(list(shown)).decode()]
    if expression := match_expression(query):
        found += f" UNION SELECT rowid FROM {table} WHERE {table} MATCH ? {condition.restrict('+rowid')}"  # noqa: S608
        values += [expression, *condition.values]
    return {name: _count(connection, collection, name, found, values) for name in dict.fromkeys(names)}


def _count(
    connection: sqlite3.Connection, collection: int, name: str, found: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    if name == "path":
        rows = connection.execute(
            f"SELECT d.path, count(DISTINCT {_DOCUMENT}) AS n FROM ({found}) f"  # noqa: S608 - constants
            " JOIN passages p ON p.id = f.value JOIN documents d ON d.id = p.document"
            " GROUP BY d.path ORDER BY n DESC, d.path LIMIT ?",
            (*values, SHOWN),
        )
        return [{"value": path, "count": count} for path, count in rows]
    # The plus keeps SQLite from asking for each passage that was found on its own.
    rows = connection.execute(
        "SELECT value, count(DISTINCT unit) AS n FROM fields WHERE collection = ? AND name = ?"  # noqa: S608
        f" AND +passage IN ({found}) GROUP BY value ORDER BY n DESC, value LIMIT ?",
        (collection, name, *values, SHOWN),
    )
    return [{"value": orjson.loads(value), "count": count} for value, count in rows]
