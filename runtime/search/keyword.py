"""Keyword search: any text becomes a safe FTS5 query; BM25 ranks, the title counts three times."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.search.counts import Counts
from runtime.search.filters import Condition
from runtime.search.rows import Place, read_places
from runtime.search.schema import keyword_table

MAX_TERMS = 64
"""Words of a query that are looked up; of a longer one, the first of these."""
MAX_QUERY = 10_000
"""Characters of a query that are looked at."""
WEIGHTS = "3.0, 1.0"
"""Of the title and of the text."""
AFFORDABLE = 10_000
"""Passages up to which all that have any of the words are ranked; ranking is what takes the time."""
ENOUGH, MANY = 500, 2_500
"""Passages with rare words that are ranked where there are more: the best ones are nearly always there."""
COMMON = 0.3
"""The share of passages from which on a word no longer tells them apart."""

_WORD = re.compile(r"[^\W_]+")
STOPWORDS = frozenset(
    """
    a about an and any are as at be been being but by can could did do does doing for from had has
    have he her him his how i if in into is it its me my no of on or our please she should so tell
    than that the their them then there these they this those to us was we were what when where
    which who whom whose why will with would you your
    """.split()  # noqa: SIM905 - eighty lines otherwise
)


def query_words(query: str) -> list[str]:
    """Return the words that are looked up: those without meaning only where there are no others."""
    words = dict.fromkeys(word.lower() for word in _WORD.findall(query[:MAX_QUERY]))
    return ([word for word in words if word not in STOPWORDS] or list(words))[:MAX_TERMS]


def match_expression(query: str) -> str:
    """Return an FTS5 expression that finds any of the query's words; "" when it has none."""
    return _any_of(query_words(query))


def thrifty_expression(passages: Mapping[str, int], enough: int, many: int, common: float) -> str:
    """Return an expression for passages with a rare word of the query, given how many have each word.

    The rarest words are taken up to `many` passages, and beyond while there are not `enough`.  Of the others,
    those in more than `common` passages have no say.  Each word stands in it twice: BM25 adds up over the
    words written, so all scores are twice as high and their order is the same.
    """
    words = sorted(passages, key=lambda word: passages[word])
    rare: list[str] = []
    ranked = 0
    while words and (ranked < enough or ranked + passages[words[0]] <= many):
        ranked += passages[words[0]]
        rare.append(words.pop(0))
    telling = [word for word in words if passages[word] <= common]
    return f"({_any_of(rare)}) AND ({_any_of([*rare, *telling, *telling])})"


def search_keywords(
    connection: sqlite3.Connection,
    collection: int,
    query: str,
    count: int,
    condition: Condition,
    counts: Counts,
) -> list[tuple[Place, float]]:
    """Return the best `count` passages with their scores (higher is better), best first."""
    words = query_words(query)
    if not words or count <= 0:
        return []
    table = keyword_table(collection)
    passages = counts.words(connection, collection, words)
    found, scale = [], 2.0
    if len(words) > 1 and sum(passages.values()) > AFFORDABLE:
        # A filter leaves few of the passages with rare words: look at more of them.
        more = max(1.0, 2 * count / ENOUGH) * (2 if condition.sql else 1)
        common = COMMON * counts.passages(connection, collection)
        expression = thrifty_expression(passages, int(more * ENOUGH), int(more * MANY), common)
        found = _rank(connection, table, expression, count, condition)
    if len(found) < count:
        found, scale = _rank(connection, table, _any_of(words), count, condition), 1.0
    places = read_places(connection, collection, "id", [passage for passage, _ in found])
    return [(places[passage], -score / scale) for passage, score in found if passage in places]


def _any_of(words: Sequence[str]) -> str:
    """Words are quoted, so that nothing in them is an operator."""
    return " OR ".join(f'"{word}"' for word in words)


def _rank(
    connection: sqlite3.Connection, table: str, expression: str, count: int, condition: Condition
) -> list[Any]:
    # Ordering by `rank` would sort the places of all words along.
    return connection.execute(
        f"SELECT rowid, bm25({table}, {WEIGHTS}) AS score FROM {table} WHERE {table} MATCH ?"  # noqa: S608
        f" {condition.restrict('+rowid')} ORDER BY score LIMIT ?",
        (expression, *condition.values, count),
    ).fetchall()
