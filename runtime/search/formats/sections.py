"""The text under a heading, cut into pieces that never cross the next one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from typing import NamedTuple

from runtime.search.data import Piece
from runtime.search.sentences import Span, sentence_spans
from runtime.search.splitter import split_text

PROSE_LIMIT = 1_000
"""Characters of one passage of prose."""
LONGEST_HEADING = 300
"""Characters of a heading; a longer one is text."""

_GATHERED = 64 * 1024


class Block(NamedTuple):
    """A part of a document: a heading where `level` is 1 or more, else text with its own line ends."""

    line: int
    text: str
    level: int = 0
    code: bool = False


def cut_blocks(blocks: Iterable[Block], name: str) -> Iterator[Piece]:
    """Yield passages that never cross a heading; the title is the path of headings, at first `name`."""
    section = Section(name)
    headings: list[str] = []
    for line, text, level, code in blocks:
        if not level or len(text) > LONGEST_HEADING:
            yield from section.add(line, text, code=code)
            continue
        yield from section.finish()
        headings = open_heading(headings, level, text)
        section = Section(heading_path(headings) or name, text, line)
    yield from section.finish()


def open_heading(headings: list[str], level: int, words: str) -> list[str]:
    """Return the heading path after a heading of this level."""
    path = headings[: level - 1]
    return [*path, *[""] * (level - 1 - len(path)), words]


def heading_path(headings: list[str]) -> str:
    """Write a heading path as a title."""
    return " > ".join(words for words in headings if words)


class Section:
    """The text under one heading, cut into pieces as it grows."""

    def __init__(self, title: str, heading: str = "", line: int = 1, page: int = 0) -> None:
        self._title, self._heading, self._line, self._page = title, heading, line, page
        self._parts: list[_Part] = []
        self._size = 0
        self._made = False

    def add(self, number: int, line: str, *, code: bool = False) -> Iterator[Piece]:
        """Take one line in; yield what is surely whole when much has gathered."""
        self._parts.append(_Part(number, line, code))
        self._size += len(line)
        if self._size > _GATHERED:
            text = "".join(part.text for part in self._parts)
            spans = split_text(text, PROSE_LIMIT)
            yield from self._pieces(text, spans[:-1])
            self._forget(spans[-1][0] if spans else len(text))

    def take_heading(self) -> str:
        """Give away the last line if it stands alone above an underline: then it is a heading."""
        if not self._parts or self._parts[-1].code:
            return ""
        words = self._parts[-1].text.strip()
        if not words or len(words) > LONGEST_HEADING or words.startswith(("-", "*", "+", ">", "|")):
            return ""
        if len(self._parts) > 1 and self._parts[-2].text.strip():
            return ""
        self._parts.pop()
        return words

    def finish(self) -> Iterator[Piece]:
        """Yield the rest; a heading with nothing below it is its own text, so that it can be found."""
        text = "".join(part.text for part in self._parts)
        yield from self._pieces(text, split_text(text, PROSE_LIMIT))
        if not self._made and self._heading:
            spans = sentence_spans(self._heading)
            yield Piece(text=self._heading, title=self._title, line=self._line, spans=spans)

    def _pieces(self, text: str, spans: list[Span]) -> Iterator[Piece]:
        prose = self._prose()
        starts = [0, *accumulate(len(part.text) for part in self._parts)]
        for start, end in spans:
            self._made = True
            sentences = [
                (first - start + a, first - start + b)
                for first, last in ((max(start, a), min(end, b)) for a, b in prose)
                for a, b in sentence_spans(text[first:last])
            ]
            at = bisect_right(starts, start) - 1
            line = self._parts[at].line + text.count("\n", starts[at], start)
            yield Piece(text[start:end], self._title, line, spans=tuple(sentences), page=self._page)

    def _prose(self) -> list[Span]:
        """Return where the text is no code: sentences are looked for there alone."""
        runs: list[Span] = []
        end = 0
        for code, parts in groupby(self._parts, key=lambda part: part.code):
            start, end = end, end + sum(len(part.text) for part in parts)
            if not code:
                runs.append((start, end))
        return runs

    def _forget(self, size: int) -> None:
        """Drop so many characters from the beginning."""
        while self._parts and len(self._parts[0].text) <= size:
            size -= len(self._parts.pop(0).text)
        if self._parts:
            line, text, code = self._parts[0]
            self._parts[0] = _Part(line + text.count("\n", 0, size), text[size:], code)
        self._size = sum(len(part.text) for part in self._parts)


class _Part(NamedTuple):
    """A line of a section, or a part of a long one, or several lines of it."""

    line: int
    text: str
    code: bool
