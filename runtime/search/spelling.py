"""Did you mean: words of a query that the collection does not have, spelled as it does have them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runtime.search.filters import Condition
from runtime.search.kept import Kept
from runtime.search.keyword import MAX_TERMS, STOPWORDS
from runtime.search.schema import keyword_table, vocabulary_table

SHORTEST = 4
"""Letters of a word below which another word is too near by chance."""
LONG = 6
"""Letters from which on two mistakes are one word misspelled; below, one is."""
MAX_WORDS = 8
"""Unknown words beyond which a query is in another language rather than misspelled."""
EVERYWHERE = Condition()
REMEMBERED = 8
"""Vocabularies that are kept: one of 50,000 passages has 26,000 stems and 3 MiB."""
STEMS = 6
TEXTS = 5

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The stems of a collection: how many passages have each, and which have how many letters."""

    passages: Mapping[str, int]
    by_length: Mapping[int, Sequence[str]]


class Spelling:
    """Corrects queries by the vocabulary of a collection."""

    def __init__(self) -> None:
        self._vocabularies = Kept(_read_vocabulary, REMEMBERED)

    def suggest(
        self, connection: sqlite3.Connection, collection: int, query: str, condition: Condition
    ) -> str | None:
        """Return the query with unknown words corrected; None when none is near, or no more is found."""
        has_vocabulary = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = ?", (vocabulary_table(collection),)
        ).fetchone()
        if not has_vocabulary:
            return None
        words = dict.fromkeys(_WORD.findall(query)[:MAX_TERMS])
        unknown = [word for word in words if _may_be_wrong(word) and not _known(connection, collection, word)]
        if not unknown or len(unknown) > MAX_WORDS:
            return None
        vocabulary = self._vocabularies.of(connection, collection)
        nearest = {word: _nearest(connection, collection, vocabulary, word.lower()) for word in unknown}
        better = {word: found for word, found in nearest.items() if found}
        if not any(_known(connection, collection, word, condition) for word in better.values()):
            return None
        return _WORD.sub(lambda found: _in_case_of(found[0], better.get(found[0], found[0])), query)


def _read_vocabulary(connection: sqlite3.Connection, collection: int) -> Vocabulary:
    table = vocabulary_table(collection)
    passages = dict(connection.execute(f"SELECT term, doc FROM {table}"))  # noqa: S608 - made from a number
    by_length: dict[int, list[str]] = {}
    for term in passages:
        by_length.setdefault(len(term), []).append(term)
    return Vocabulary(passages, by_length)


def _may_be_wrong(word: str) -> bool:
    return len(word) >= SHORTEST and word.lower() not in STOPWORDS


def _known(
    connection: sqlite3.Connection, collection: int, word: str, condition: Condition = EVERYWHERE
) -> bool:
    table = keyword_table(collection)
    return bool(
        connection.execute(
            f"SELECT 1 FROM {table} WHERE {table} MATCH ? {condition.restrict('+rowid')} LIMIT 1",  # noqa: S608
            (f'"{word}"', *condition.values),
        ).fetchone()
    )


def _nearest(
    connection: sqlite3.Connection, collection: int, vocabulary: Vocabulary, word: str
) -> str | None:
    """Return the word of the texts that is nearest; of words as near as each other, one in more passages.

    The vocabulary holds stems: the likeliest of them lead to texts, and those to whole words.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    lengths = range(len(word) // 2, len(word) + 3)
    stems = [stem for length in lengths for stem in vocabulary.by_length.get(length, ())]
    likely = process.extract(word, stems, scorer=OSA.normalized_similarity, limit=STEMS)
    allowed = 2 if len(word) >= LONG else 1
    nearest: tuple[int, int, str] | None = None
    for stem, _, _ in likely:
        for candidate in _words_of(connection, collection, stem):
            distance = OSA.distance(word, candidate, score_cutoff=allowed)
            found = (distance, -vocabulary.passages[stem], candidate)
            if distance <= allowed and (nearest is None or found < nearest):
                nearest = found
    return nearest[2] if nearest else None


def _words_of(connection: sqlite3.Connection, collection: int, stem: str) -> Iterable[str]:
    table = keyword_table(collection)
    rows = connection.execute(
        f"SELECT title, text FROM passages WHERE id IN (SELECT rowid FROM {table}"  # noqa: S608 - as above
        f" WHERE {table} MATCH ? LIMIT {TEXTS})",
        (f'"{stem}"',),
    ).fetchall()
    return {word for row in rows for text in row for word in _WORD.findall(text.lower())}


def _in_case_of(written: str, word: str) -> str:
    if written.isupper():
        return word.upper()
    return word.capitalize() if written[0].isupper() else word
