"""Where sentences begin and end in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]

_BORDER = re.compile(
    r"""
    (?<=[.!?…])["'”’)\]]*\s+(?=["'“‘(\[]*[^\Wa-z_])   # a full stop, then something that is not a small letter
    | (?<=[。！？])                                     # scripts that leave no space
    | \n[^\S\n]*\n\s*                                   # a paragraph ends
    | \n(?=[^\S\n]*(?:[-*+•]|\d{1,3}[.)])[^\S\n])       # an item of a list begins
    | \n(?=[^\S\n]*(?:[|>]|```|~~~))                    # a row of a table, a quote, a fence
    """,
    re.VERBOSE,
)
_ABBREVIATION = re.compile(
    r"(?:^|\n)[^\S\n]*\d{1,3}\.$|"  # the number of an item
    r"(?:^|[\s(\[])(?:[A-Za-z]|e\.g|i\.e|etc|vs|cf|al|ca|approx|fig|figs|eq|eqs|ref|refs|tab|no|nos|vol|pp|"
    r"dr|mr|mrs|ms|prof|st|sr|jr|inc|ltd|co|dept|est|resp|bzw|z\.B|d\.h|usw)\.[\"'”’)\]]*$",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION = 12


def sentence_spans(text: str) -> tuple[Span, ...]:
    """Return (start, end) of every sentence, without the white space around it, in order.

    Every character that is not white space lies in exactly one span.
    """
    spans: list[Span] = []
    start = 0
    for border in _BORDER.finditer(text):
        before = text[max(0, border.start() - _LONGEST_ABBREVIATION) : border.end()].rstrip()
        if "\n\n" not in border.group() and _ABBREVIATION.search(before):
            continue
        # Closing quotes belong to the sentence they end, white space to none.
        add_span(spans, text, start, border.end())
        start = border.end()
    add_span(spans, text, start, len(text))
    return tuple(spans)


def find_spans(text: str, sentences: Sequence[str]) -> tuple[Span, ...] | None:
    """Return where these sentences are in `text`; None unless they are all of it, in their order."""
    spans: list[Span] = []
    position = 0
    for sentence in sentences:
        stripped = sentence.strip()
        start = text.find(stripped, position)
        if start < 0 or text[position:start].strip():
            return None
        position = start + len(stripped)
        add_span(spans, text, start, position)
    return None if text[position:].strip() else tuple(spans)


def add_span(spans: list[Span], text: str, start: int, end: int) -> None:
    """Append the span without the white space around it, unless nothing is left of it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))
