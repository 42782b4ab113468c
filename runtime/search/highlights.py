"""Which sentences of a hit hold words of the query: their places, and HTML that marks the words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import orjson

from runtime.search.keyword import match_expression
from runtime.search.rows import Row
from runtime.search.schema import TOKENIZER

SHOWN = 3
"""Sentences a hit."""
_BEGIN, _END = "\ue000", "\ue001"
"""Marks from the private area of Unicode: a text that has them itself is left without highlights."""

Span = tuple[int, int]


def find_highlights(query: str, rows: Sequence[Row]) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    """Return the highlights of these passages by id; FTS5 itself says which words count as found.

    It is asked in a table of nothing but these rows: the collection's own is a thousand times as large.
    """
    expression = match_expression(query)
    if not expression or not rows:
        return {}
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE shown USING fts5(text, tokenize='{TOKENIZER}')")
        connection.executemany(
            "INSERT INTO shown (rowid, text) VALUES (?, ?)", [(row.id, row.text) for row in rows]
        )
        found = connection.execute(
            "SELECT rowid, highlight(shown, 0, ?, ?) FROM shown WHERE shown MATCH ?",
            (_BEGIN, _END, expression),
        ).fetchall()
    by_id = {row.id: row for row in rows}
    return {id: best_sentences(by_id[id], marked) for id, marked in found}


def best_sentences(row: Row, marked: str) -> list[dict[str, Any]]:
    """Return the sentences with the most marks, in the order of the text."""
    spans = read_marks(marked)
    if marked.replace(_BEGIN, "").replace(_END, "") != row.text or not spans:
        return []
    ends = orjson.loads(row.spans) or [0, len(row.text)]
    sentences = list(zip(ends[::2], ends[1::2], strict=True))
    inside = {
        sentence: [span for span in spans if sentence[0] <= span[0] and span[1] <= sentence[1]]
        for sentence in sentences
    }
    best = sorted((each for each in sentences if inside[each]), key=lambda each: -len(inside[each]))[:SHOWN]
    return [
        {"start": start, "end": end, "html": mark(row.text, (start, end), inside[start, end])}
        for start, end in sorted(best)
    ]


def read_marks(marked: str) -> list[Span]:
    """Return where the marked words stand in the text without its marks."""
    spans: list[Span] = []
    place = 0
    for piece in marked.split(_BEGIN)[1:] if _BEGIN in marked else []:
        word, _, rest = piece.partition(_END)
        if not spans:
            place = marked.index(_BEGIN)
        spans.append((place, place + len(word)))
        place += len(word) + len(rest)
    return spans


def mark(text: str, sentence: Span, spans: Sequence[Span]) -> str:
    """Write a sentence as HTML: everything in it is escaped, and its words of the query are marked."""
    parts, place = [], sentence[0]
    for start, end in spans:
        parts += [escape(text[place:start]), "<mark>", escape(text[start:end]), "</mark>"]
        place = end
    return "".join([*parts, escape(text[place : sentence[1]])])
