"""Reading DOCX: headings, paragraphs, lists and tables of a Word document."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.search.data import Piece
from runtime.search.formats.sections import Block, cut_blocks
from runtime.search.formats.source import NotReadable, Source

LARGEST = 512 * 1024 * 1024
"""Bytes of a document's parts, unpacked."""
LARGEST_TEXT = 64 * 1024 * 1024
"""Bytes of its parts that are XML, unpacked; they are held in memory."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_WORDS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)


def read_docx(source: Source) -> Iterator[Piece]:
    """Yield passages that never cross a heading; the line is the number of the paragraph or row."""
    _weigh(source)
    import docx

    try:
        document = docx.Document(str(source.path))
        levels = _levels(document)
        title = document.core_properties.title.strip()
    except Exception as error:  # python-docx lets through whatever the parts of a broken file lead to
        raise NotReadable(
            f"This is no DOCX that can be read ({type(error).__name__}); save it anew with a word processor."
        ) from None
    source.advance(source.path.stat().st_size)
    return cut_blocks(_Body(levels).blocks(document.element.body), title or source.name)


def _weigh(source: Source) -> None:
    """Refuse what would unpack to more than we can hold; a part never unpacks to more than it says."""
    try:
        with zipfile.ZipFile(source.path) as file:
            parts = file.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise NotReadable("This is no DOCX file; open it with a word processor and save it anew.") from None
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith((".xml", ".rels")))
    if sum(part.file_size for part in parts) > LARGEST or texts > LARGEST_TEXT:
        raise NotReadable(
            f"The document unpacks to more than {LARGEST_TEXT // 2**20} MiB of text "
            f"or {LARGEST // 2**20} MiB in all; split it."
        )


def _levels(document: Any) -> Mapping[str, int]:
    """Return the heading level of each style that is one of headings, by its id."""
    levels: dict[str, int] = {}
    for style in document.styles:
        if style.name == "Title":
            levels[style.style_id] = 1
        elif style.name and (found := _HEADING.fullmatch(style.name)):
            levels[style.style_id] = int(found.group(1))
    return levels


class _Body:
    """Walks over the paragraphs and tables of a document, also those inside content controls."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        self._levels = levels
        self._number = 0

    def blocks(self, parent: Any) -> Iterator[Block]:
        """Yield the blocks in the order of the document."""
        for element in parent.iterchildren():
            if element.tag == f"{_W}p":
                yield from self._paragraph(element)
            elif element.tag == f"{_W}tbl":
                yield from self._table(element)
            elif element.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
                yield from self.blocks(element)

    def _paragraph(self, element: Any) -> Iterator[Block]:
        self._number += 1
        text = _text(element)
        if not text:
            return
        properties = element.find(f"{_W}pPr")
        level = self._level(properties)
        if level:
            yield Block(self._number, " ".join(text.split()), level)
        else:
            listed = properties is not None and properties.find(f"{_W}numPr") is not None
            yield Block(self._number, f"- {text}\n\n" if listed else f"{text}\n\n")

    def _level(self, properties: Any) -> int:
        if properties is None:
            return 0
        style, outline = properties.find(f"{_W}pStyle"), properties.find(f"{_W}outlineLvl")
        if outline is not None and (level := outline.get(f"{_W}val", "")).isdecimal() and int(level) < 9:
            return int(level) + 1
        return self._levels.get(style.get(f"{_W}val"), 0) if style is not None else 0

    def _table(self, element: Any) -> Iterator[Block]:
        for row in element.iterfind(f"{_W}tr"):
            self._number += 1
            cells = [" ".join(_text(cell).split()) for cell in row.iter(f"{_W}tc")]
            if any(cells):
                yield Block(self._number, f"| {' | '.join(cells)} |\n")
        yield Block(self._number, "\n")


def _text(element: Any) -> str:
    """Return the words of a paragraph or cell; what was deleted is not among them."""
    words: list[str] = []
    for part in element.iter():
        if part.tag == f"{_W}t":
            words.append(part.text or "")
        elif part.tag == f"{_W}p" and words:
            words.append("\n")
        else:
            words.append(_WORDS.get(part.tag, ""))
    return "".join(words).strip()
