"""Reading plain text as a stream of pieces; files without end are no problem."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.search.data import Piece
from runtime.search.formats.sections import Section
from runtime.search.formats.source import Source

_READ_AHEAD = 32 * 1024


def read_text(source: Source) -> Iterator[Piece]:
    """Yield passages of plain text; the title is the file's name."""
    section = Section(source.name)
    for number, line in numbered_lines(source):
        yield from section.add(number, line)
    yield from section.finish()


def numbered_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Yield (number, line); a line without end comes in parts that share its number."""
    number, read = 1, 0
    with source.path.open(encoding=source.encoding) as file:
        while line := file.readline(_READ_AHEAD):
            read += len(line)
            if read >= _READ_AHEAD:
                source.advance(read)
                read = 0
            yield number, line.replace("\0", " ")
            number += line.endswith("\n")
    source.advance(read)
