"""Reading HTML: what people read of a page, without its menus and its scripts."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from runtime.search.data import Piece
from runtime.search.formats.encoding import looks_binary, marked
from runtime.search.formats.sections import Block, cut_blocks
from runtime.search.formats.source import NotReadable, Source

LARGEST = 64 * 1024 * 1024
"""Bytes of a page; a page is read as a whole."""

_DECLARED = re.compile(rb"<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_DECLARED_WITHIN = 4096
_GUESSED_BY = 256 * 1024
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# fmt: off
_HIDDEN = frozenset({
    "script", "style", "noscript", "template", "nav", "footer", "aside", "svg", "math", "iframe",
    "object", "video", "audio", "canvas", "map", "select", "button", "textarea", "dialog", "head",
})
_HIDDEN_ROLES = frozenset({
    "navigation", "contentinfo", "search", "complementary", "menu", "menubar", "dialog",
})
_BLOCKS = frozenset({
    "address", "article", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "form", "header", "hgroup", "hr", "html", "li", "main", "ol",
    "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    "caption",
})
# fmt: on
_NOT_IN_ROWS = "|".join(f"descendant::{name}" for name in ("table", "ul", "ol", "pre", *_HEADINGS))


def read_html(source: Source) -> Iterator[Piece]:
    """Yield passages that never cross a heading; the title is the path of headings, or that of the page.

    The parser counts lines up to 65,535; what is further down is said to be there.
    """
    if source.path.stat().st_size > LARGEST:
        raise NotReadable(f"The page is larger than {LARGEST // 2**20} MiB; split it, or save it as text.")
    data = source.path.read_bytes()
    source.advance(len(data))
    if looks_binary(data):
        raise NotReadable("This looks like a binary file, not a page; leave it out.")
    root = _parse(decode(data), source)
    if root is None:
        return iter(())
    title = " ".join("".join(root.xpath("//head/title[1]//text()")).split())
    return cut_blocks(_Page(_main(root)).blocks(), title or source.name)


def decode(data: bytes) -> str:
    """Decode by the mark, the page's own word, UTF-8, or the likeliest guess, in this order."""
    if mark := marked(data):
        return data.decode(mark, "replace")
    if (declared := _DECLARED.search(data, 0, _DECLARED_WITHIN)) and (known := _codec(declared.group(1))):
        return data.decode(known, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data[:_GUESSED_BY]).best()
        return data.decode(best.encoding if best else "cp1252", "replace")


def _codec(name: bytes) -> str:
    """Return the codec a page means, as browsers read it; "" for a name that is none.

    A page whose beginning can be read as ASCII is not UTF-16, whatever it says.
    """
    try:
        found = codecs.lookup(name.decode()).name
    except LookupError:
        return ""
    if found.startswith(("utf-16", "utf-32")):
        return "utf-8"
    return "cp1252" if found in ("iso8859-1", "ascii") else found


def _parse(text: str, source: Source) -> Any:
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True, no_network=True
    )
    clean = text.replace("\0", " ").encode("utf-8", "replace")
    root = etree.fromstring(clean, parser) if clean.strip() else None
    for error in parser.error_log.filter_from_fatals():
        if error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
            source.complain(error.line, "tags are nested too deep; close them. All that follows is left out.")
    return root


def _main(root: Any) -> Any:
    """Return the element that a page calls its main part, else its only article, else all of it."""
    for path in ("//main", "//*[@role='main']", "//article"):
        found = [element for element in root.xpath(path) if "".join(element.itertext()).strip()]
        if len(found) == 1:
            return found[0]
    return root


class _Page:
    """Walks over an element and puts its text together, block by block."""

    def __init__(self, element: Any) -> None:
        self._element = element
        self._words: list[str] = []
        self._line = 1
        self._level = self._pre = 0
        self._row: Any = None
        self._after_item = False

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in the order of the page."""
        from lxml import etree

        walk = etree.iterwalk(self._element, events=("start", "end"))
        hidden: Any = None
        for event, element in walk:
            if event == "start":
                if _is_hidden(element):
                    hidden = element
                    walk.skip_subtree()
                else:
                    yield from self._open(element)
            else:
                if element is hidden:
                    hidden = None
                else:
                    yield from self._close(element)
                if element is not self._element:
                    self._say(element.tail, element)
        yield from self._flush()

    def _say(self, text: str | None, element: Any) -> None:
        if text and (self._words or text.strip()):
            if not self._words:
                self._line = element.sourceline or self._line
            self._words.append(text)

    def _open(self, element: Any) -> Iterator[Block]:
        tag = element.tag
        if self._row is None and (tag in _BLOCKS or tag in _HEADINGS):
            yield from self._flush()
            self._level = _HEADINGS.get(tag, 0)
            self._pre += tag == "pre"
            if tag == "li":
                self._words, self._line = ["- "], element.sourceline or self._line
            elif tag == "tr" and not element.xpath(_NOT_IN_ROWS):
                self._row, self._words, self._line = element, ["| "], element.sourceline or self._line
        elif tag == "br":
            self._words.append("\n")
        self._say(element.text, element)

    def _close(self, element: Any) -> Iterator[Block]:
        tag = element.tag
        if element is self._row:
            self._row = None
            yield from self._flush("\n")
        elif self._row is not None:
            self._words.append(" | " if tag in ("td", "th") else " " if tag in _BLOCKS else "")
        elif tag in _BLOCKS or tag in _HEADINGS:
            yield from self._flush("\n" if tag == "li" else "\n\n")
            self._pre -= tag == "pre"
            self._level = 0

    def _flush(self, end: str = "\n\n") -> Iterator[Block]:
        """Give away the block that has gathered, if there is something in it."""
        whole = "".join(self._words)
        text = whole.strip("\n") if self._pre else " ".join(whole.split())
        self._words = []
        if not text.strip(" -|"):
            return
        if self._level:
            yield Block(self._line, text, self._level)
            return
        item = end == "\n"
        apart = "\n" if self._after_item and not item else ""
        self._after_item = item
        yield Block(self._line, apart + text + end, code=self._pre > 0)


def _is_hidden(element: Any) -> bool:
    tag, attributes = element.tag, element.attrib
    if tag in _HIDDEN or attributes.get("role") in _HIDDEN_ROLES or "hidden" in attributes:
        return True
    if attributes.get("aria-hidden") == "true" or "display:none" in attributes.get("style", "").replace(
        " ", ""
    ):
        return True
    return tag == "header" and not element.xpath("|".join(f"descendant::{name}" for name in _HEADINGS))
