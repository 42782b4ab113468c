"""Reading PDF: the text of each page, with its number."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from runtime.search.data import Piece
from runtime.search.formats.sections import Section
from runtime.search.formats.source import NotReadable, Source

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

LARGEST = 512 * 1024 * 1024
"""Bytes of a file."""
_SHOWN = 10
"""Pages that are named in one sentence."""
_HYPHEN = re.compile(r"(?<=[a-zà-ÿ]{2})(?:-|\xad)\n(?=[a-zà-ÿ]{2})")


def read_pdf(source: Source) -> Iterator[Piece]:
    """Yield passages that never cross a page; the title is that of the document, else the file's name."""
    if source.path.stat().st_size > LARGEST:
        raise NotReadable(f"The file is larger than {LARGEST // 2**20} MiB; split it.")
    reader = _open(source)
    return _pieces(source, reader, _title(reader) or source.name)


def _open(source: Source) -> PdfReader:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what matters of it is said in our own words
    try:
        reader = pypdf.PdfReader(str(source.path))
        unlocked = not reader.is_encrypted or _unlock(reader)
        pages = len(reader.pages) if unlocked else 0
    except Exception as error:  # pypdf lets through whatever the parts of a broken file lead to
        raise NotReadable(
            f"This is no PDF that can be read ({type(error).__name__}); open it and save it anew."
        ) from None
    if not unlocked:
        raise NotReadable("The PDF is encrypted; save a copy without a password.")
    if not pages:
        raise NotReadable("The PDF has no pages; open it and save it anew.")
    return reader


def _unlock(reader: PdfReader) -> bool:
    """Open a PDF that asks for a password only before it is changed."""
    from pypdf.errors import DependencyError

    try:
        return bool(reader.decrypt(""))
    except DependencyError:  # AES, and the package that knows it is not here
        return False


def _title(reader: PdfReader) -> str:
    """Return the title that the document gives itself, "" without one."""
    try:
        return " ".join(_clean((reader.metadata and reader.metadata.title) or "").split())
    except Exception:  # a title that cannot be read is none
        return ""


def _pieces(source: Source, reader: PdfReader, title: str) -> Iterator[Piece]:
    """Yield the pieces page by page; pages without text that show a picture are complained of at the end."""
    with closing(reader):
        pictures: list[int] = []
        count = len(reader.pages)
        share = source.path.stat().st_size // count
        found = False
        for number in range(1, count + 1):
            try:
                page = reader.pages[number - 1]
                text = _clean(page.extract_text())
                if not text.strip() and _has_picture(page):
                    pictures.append(number)
            except Exception as error:  # one broken page does not take the others with it
                source.complain(
                    0, f"Page {number} cannot be read ({type(error).__name__}); save the PDF anew."
                )
                continue
            found = found or bool(text.strip())
            section = Section(title, page=number)
            yield from section.add(1, text)
            yield from section.finish()
            source.advance(share)
        if pictures:
            source.complain(0, _without_text(pictures, count))
        elif not found:
            source.complain(0, "The PDF holds no text; run text recognition (OCR) over it.")


def _clean(text: str) -> str:
    """Return text that can be stored, with the words whole that were cut at the end of a line."""
    return _HYPHEN.sub("", text.encode("utf-8", "replace").decode().replace("\0", " "))


def _has_picture(page: PageObject) -> bool:
    from pypdf.generic import DictionaryObject

    parts: Any = page
    for name in ("/Resources", "/XObject"):
        parts = parts.get(name, DictionaryObject()).get_object()
    return any(part.get_object().get("/Subtype") == "/Image" for part in parts.values())


def _without_text(pictures: list[int], count: int) -> str:
    if len(pictures) == count:
        return "The pages are pictures without text; run text recognition (OCR) over the PDF."
    named = ", ".join(str(number) for number in pictures[:_SHOWN])
    more = f" and {len(pictures) - _SHOWN} more" if len(pictures) > _SHOWN else ""
    return f"Pages {named}{more} are pictures without text; run text recognition (OCR) over the PDF."
