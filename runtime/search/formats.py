"""Reading Markdown, text and JSON Lines as a stream of pieces; files without end are no problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from runtime.search.code import CodeLines
from runtime.search.data import Piece
from runtime.search.sentences import Span, find_spans, sentence_spans
from runtime.search.splitter import split_text

PROSE_LIMIT = 1_000
"""Characters of one passage of prose."""
RECORD_LIMIT = 4_000
"""Characters up to which a record stays one passage."""
LONGEST_HEADING = 300
"""Characters of a heading; a longer one is text."""
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one JSON line; a longer one is skipped and reported."""

_READ_AHEAD = 32 * 1024
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")

Complain = Callable[[int, str], None]
"""Told (line, sentence) for what is skipped inside a file."""
Advance = Callable[[int], None]
"""Told how many more bytes have been read."""


def read_markdown(path: Path, encoding: str, advance: Advance) -> Iterator[Piece]:
    """Yield passages that never cross a heading; the title is the path of headings down to there."""
    section = _Section(path.name)
    headings: list[str] = []
    code_lines = CodeLines()
    for number, line in _lines(path, encoding, advance):
        code = code_lines.see(line)
        if not code and len(line) <= LONGEST_HEADING and (heading := _HEADING.match(line.rstrip("\n"))):
            yield from section.finish()
            headings = _open(headings, len(heading.group(1)), heading.group(2) or "")
            section = _Section(_title(headings) or path.name, heading.group(2) or "", number)
            continue
        if not code and _UNDERLINE.match(line) and (words := section.take_heading()):
            yield from section.finish()
            headings = _open(headings, 1 if "=" in line else 2, words)
            section = _Section(_title(headings), words, number - 1)
            continue
        yield from section.add(number, line, code=code)
    yield from section.finish()


def read_text(path: Path, encoding: str, advance: Advance) -> Iterator[Piece]:
    """Yield passages of plain text; the title is the file's name."""
    section = _Section(path.name)
    for number, line in _lines(path, encoding, advance):
        yield from section.add(number, line)
    yield from section.finish()


def read_json_lines(path: Path, advance: Advance, complain: Complain) -> Iterator[Piece]:
    """Yield one passage a record (more where it is long); lines that cannot be read are complained of.

    `id` or `_id`, `title` and `text` are used; `sentences`, where they make up the text, are its
    sentences; the rest is metadata.
    """
    with path.open("rb") as file:
        for number, line in enumerate(_bounded_lines(file), start=1):
            advance(len(line))
            try:
                yield from _record(_parse(line if number > 1 else line.removeprefix(b"\xef\xbb\xbf")), number)
            except BadLine as error:
                complain(number, str(error))


def _bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, which cannot be parsed."""
    while line := file.readline(LONGEST_LINE):
        yield line
        while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE)


def _parse(line: bytes) -> dict[str, Any]:
    if not line.strip():
        return {}
    if len(line) >= LONGEST_LINE:
        raise BadLine(f"the line is longer than {LONGEST_LINE // 2**20} MiB; split the record.")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"not valid JSON ({error.msg}); write one JSON object a line.") from None
    if not isinstance(value, dict):
        raise BadLine(f"a JSON {_json_type(value)}, not an object; write one JSON object a line.")
    if not value:
        raise BadLine('an empty object; give the record a "text".')
    return value


def _record(record: dict[str, Any], line: int) -> Iterator[Piece]:
    if not record:
        return
    given = record.get("id", record.get("_id"))
    id = "" if given is None else str(given)
    title, text = record.get("title") or "", record.get("text") or ""
    if not isinstance(title, str) or not isinstance(text, str):
        raise BadLine('"title" and "text" must be strings; quote them.')
    title, text = title.replace("\0", " ").strip(), text.replace("\0", " ")
    if not text.strip():
        if not title:
            raise BadLine('no "text"; every record needs one.')
        text = title
    sentences = record.get("sentences")
    known: tuple[Span, ...] | None = None
    if isinstance(sentences, list) and all(isinstance(item, str) for item in sentences):
        known = find_spans(text, sentences)
    used = {"id", "_id", "title", "text"} | ({"sentences"} if known is not None else set())
    metadata = {key: value for key, value in record.items() if key not in used}
    whole = text.strip()
    spans = [(0, len(text))] if len(whole) <= RECORD_LIMIT else split_text(text, RECORD_LIMIT)
    for start, end in spans:
        part = text[start:end]
        yield Piece(
            text=part.strip(),
            title=title,
            line=line,
            record=id,
            spans=_shifted(known, start, end, part) or sentence_spans(part.strip()),
            metadata=metadata,
        )


def _shifted(known: tuple[Span, ...] | None, start: int, end: int, part: str) -> tuple[Span, ...]:
    """Return the known sentences inside start..end, relative to the stripped part; () where one is cut."""
    if known is None:
        return ()
    offset = start + len(part) - len(part.lstrip())
    inside = tuple((a - offset, b - offset) for a, b in known if a >= start and b <= end)
    cut = any(a < end and b > start and not (a >= start and b <= end) for a, b in known)
    return () if cut else inside


def _json_type(value: Any) -> str:
    names = {list: "array", str: "string", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")


def _lines(path: Path, encoding: str, advance: Advance) -> Iterator[tuple[int, str]]:
    """Yield (number, line); a line without end comes in parts that share its number."""
    number, read = 1, 0
    with path.open(encoding=encoding) as file:
        while line := file.readline(_READ_AHEAD):
            read += len(line)
            if read >= _READ_AHEAD:
                advance(read)
                read = 0
            yield number, line.replace("\0", " ")
            number += line.endswith("\n")
    advance(read)


def _open(headings: list[str], level: int, words: str) -> list[str]:
    """Return the heading path after a heading of this level."""
    path = headings[: level - 1]
    return [*path, *[""] * (level - 1 - len(path)), words]


def _title(headings: list[str]) -> str:
    return " > ".join(words for words in headings if words)


class BadLine(Exception):
    """A line that is no record; the message is a sentence."""


class _Section:
    """The text under one heading, cut into pieces as it grows."""

    def __init__(self, title: str, heading: str = "", line: int = 1) -> None:
        self._title, self._heading, self._line = title, heading, line
        self._parts: list[_Part] = []
        self._size = 0
        self._made = False

    def add(self, number: int, line: str, *, code: bool = False) -> Iterator[Piece]:
        """Take one line in; yield what is surely whole when much has gathered."""
        self._parts.append(_Part(number, line, code))
        self._size += len(line)
        if self._size > 2 * _READ_AHEAD:
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
        for start, end in spans:
            self._made = True
            line = self._parts[0].line + text.count("\n", 0, start)
            sentences = [
                (first - start + a, first - start + b)
                for first, last in ((max(start, a), min(end, b)) for a, b in prose)
                for a, b in sentence_spans(text[first:last])
            ]
            yield Piece(text=text[start:end], title=self._title, line=line, spans=tuple(sentences))

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
            first = self._parts[0]
            self._parts[0] = first._replace(text=first.text[size:])
        self._size = sum(len(part.text) for part in self._parts)


class _Part(NamedTuple):
    """A line of a section, or a part of a long one."""

    line: int
    text: str
    code: bool
