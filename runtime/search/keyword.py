"""Keyword search: any text becomes a safe FTS5 query; BM25 ranks, the title counts three times."""

from __future__ import annotations

import re
import sqlite3

from runtime.search.filters import Condition
from runtime.search.rows import Place, read_places
from runtime.search.schema import keyword_table

MAX_TERMS = 64
"""Words of a query that are looked up; of a longer one, the first of these."""
MAX_QUERY = 10_000
"""Characters of a query that are looked at."""
RANK = "bm25(3.0, 1.0)"

_WORD = re.compile(r"[^\W_]+")
STOPWORDS = frozenset(
    """
    a about an and any are as at be been being but by can could did do does doing for from had has
    have he her him his how i if in into is it its me my no of on or our please she should so tell
    than that the their them then there these they this those to us was we were what when where
    which who whom whose why will with would you your
    """.split()  # noqa: SIM905 - eighty lines otherwise
)


def match_expression(query: str) -> str:
    """Return an FTS5 expression that finds any of the query's words; "" when it has none.

    Words are quoted, so that nothing in them is an operator.  Words without meaning are left out,
    unless there are no others.
    """
    words = dict.fromkeys(word.lower() for word in _WORD.findall(query[:MAX_QUERY]))
    meant = [word for word in words if word not in STOPWORDS] or list(words)
    return " OR ".join(f'"{word}"' for word in meant[:MAX_TERMS])


def search_keywords(
    connection: sqlite3.Connection, collection: int, query: str, count: int, condition: Condition
) -> list[tuple[Place, float]]:
    """Return the best `count` passages with their scores (higher is better), best first."""
    expression = match_expression(query)
    if not expression or count <= 0:
        return []
    table = keyword_table(collection)
    found = connection.execute(
        f"SELECT rowid, rank FROM {table} WHERE {table} MATCH ? AND rank MATCH '{RANK}'"  # noqa: S608
        f" {condition.restrict('+rowid')} ORDER BY rank LIMIT ?",
        (expression, *condition.values, count),
    ).fetchall()
    places = read_places(connection, collection, "id", [passage for passage, _ in found])
    return [(places[passage], -rank) for passage, rank in found if passage in places]
