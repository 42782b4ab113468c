"""Reading Markdown as a stream of pieces; files without end are no problem."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runtime.search.code import CodeLines
from runtime.search.data import Piece
from runtime.search.formats.sections import LONGEST_HEADING, Section, heading_path, open_heading
from runtime.search.formats.source import Source
from runtime.search.formats.text import numbered_lines

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")


def read_markdown(source: Source) -> Iterator[Piece]:
    """Yield passages that never cross a heading; the title is the path of headings down to there."""
    name = source.name
    section = Section(name)
    headings: list[str] = []
    code_lines = CodeLines()
    for number, line in numbered_lines(source):
        code = code_lines.see(line)
        if not code and len(line) <= LONGEST_HEADING and (heading := _HEADING.match(line.rstrip("\n"))):
            yield from section.finish()
            headings = open_heading(headings, len(heading.group(1)), heading.group(2) or "")
            section = Section(heading_path(headings) or name, heading.group(2) or "", number)
            continue
        if not code and _UNDERLINE.match(line) and (words := section.take_heading()):
            yield from section.finish()
            headings = open_heading(headings, 1 if "=" in line else 2, words)
            section = Section(heading_path(headings), words, number - 1)
            continue
        yield from section.add(number, line, code=code)
    yield from section.finish()
