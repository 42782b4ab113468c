"""Cutting a long text into passages at the best borders there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runtime.search.sentences import Span, add_span, sentence_spans

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")


def split_text(text: str, limit: int) -> list[Span]:
    """Return the (start, end) of passages of at most `limit` characters, in order.

    Whole paragraphs are packed together; one that is too long is cut between sentences, a sentence
    that is too long between words, a word that is too long anywhere.  Every character that is not
    white space lies in exactly one span.
    """
    spans: list[Span] = []
    start = end = -1
    for piece_start, piece_end in _units(text, limit):
        if start >= 0 and piece_end - start > limit:
            spans.append((start, end))
            start = -1
        if start < 0:
            start = piece_start
        end = piece_end
    if start >= 0:
        spans.append((start, end))
    return spans


def _units(text: str, limit: int) -> Iterator[Span]:
    """Yield the smallest parts that need not be cut: paragraphs, or sentences, or words."""
    for start, end in _paragraphs(text):
        if end - start <= limit:
            yield start, end
            continue
        for first, last in sentence_spans(text[start:end]):
            yield from _words(text, start + first, start + last, limit)


def _paragraphs(text: str) -> list[Span]:
    spans: list[Span] = []
    start = 0
    for border in _PARAGRAPH.finditer(text):
        add_span(spans, text, start, border.start())
        start = border.end()
    add_span(spans, text, start, len(text))
    return spans


def _words(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    """Yield one sentence in parts of at most `limit`, cut at white space where there is some."""
    while end - start > limit:
        cut = next((at for at in range(start + limit, start, -1) if text[at].isspace()), start + limit)
        parts: list[Span] = []
        add_span(parts, text, start, cut)
        yield from parts
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
