"""TOML with places: every key and value of a document knows its line and column."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from runtime.errors import InvalidInput

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

MAX_BYTES = 1024 * 1024
"""Larger files are refused: a graph or a config is read by people."""

MAX_KEY_PARTS = 32
"""Dots in one key; tomllib takes quadratic time in them."""

TomlPath: TypeAlias = tuple[str | int, ...]

_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?m)^[ \t]*\[{{0,2}}[ \t]*{_PART}(?:[ \t]*\.[ \t]*{_PART}){{{MAX_KEY_PARTS}}}")


class Place(NamedTuple):
    """A place in a text: 1-based line and column, columns in characters."""

    line: int
    column: int


class TomlSyntaxError(InvalidInput):
    """A file that is not TOML; the message is one sentence that says how to mend it."""

    def __init__(self, message: str, *, file: str, line: int, column: int) -> None:
        super().__init__(message)
        self.file, self.line, self.column = file, line, column

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True)
class TomlDocument:
    """A parsed document: `data` as tomllib gives it, and the places of its keys and values.

    Paths are `("node", "ask", "next")`; elements of arrays (of tables too) are whole numbers from 0.
    """

    data: dict[str, Any] = field(repr=False)
    file: str
    text: str = field(repr=False)

    def place(self, *path: str | int) -> Place:
        """Return where the key stands, or its nearest parent that is known (the top: 1, 1)."""
        return self._nearest(path).key

    def value_place(self, *path: str | int) -> Place:
        """Return where the value starts, or that of the nearest known parent."""
        return self._nearest(path).value

    def _nearest(self, path: TomlPath) -> _Spot:
        while path not in self._spots:
            path = path[:-1]
        return self._spots[path]

    @cached_property
    def _spots(self) -> dict[TomlPath, _Spot]:
        """Computed at the first question: a document without mistakes never pays for it."""
        return {**dict(reversed(list(declarations(self.text)))), (): _TOP}


class _Spot(NamedTuple):
    key: Place
    value: Place


_TOP = _Spot(Place(1, 1), Place(1, 1))


def parse_toml(source: bytes, file: str) -> TomlDocument:
    """Parse a document; `file` is its name in messages.  TomlSyntaxError when it is not TOML."""
    text = _decode(source, file)
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.end()) + 1
        raise TomlSyntaxError(
            f"This name has over {MAX_KEY_PARTS} parts; use fewer dots.", file=file, line=line, column=1
        )
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise TomlSyntaxError(
            "Lists or tables are nested too deeply to be read; flatten them.", file=file, line=1, column=1
        ) from None
    except ValueError as error:
        from runtime.toml_mistakes import explain

        mistake = explain(text, str(error))
        raise TomlSyntaxError(
            mistake.message, file=file, line=mistake.place.line, column=mistake.place.column
        ) from None
    return TomlDocument(data, file, text)


def _decode(source: bytes, file: str) -> str:
    """Return the text with plain line ends; a byte order mark at its start is harmless."""

    def refuse(message: str, before: bytes = b"") -> TomlSyntaxError:
        last = before.rsplit(b"\n", 1)[-1].decode("utf-8", "replace")
        return TomlSyntaxError(message, file=file, line=before.count(b"\n") + 1, column=len(last) + 1)

    if len(source) > MAX_BYTES:
        return _fail(refuse(f"The file is over {MAX_BYTES // 1024} KiB; split it into smaller ones."))
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _fail(refuse("The file is saved as UTF-16; save it again as UTF-8."))
    if (zero := source.find(b"\x00")) >= 0:
        return _fail(
            refuse(
                "There is a NUL byte here, so this is not a text file; save it as UTF-8 text.", source[:zero]
            )
        )
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        return _fail(
            refuse("The file is not UTF-8 from here on; save it again as UTF-8.", source[: error.start])
        )
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _fail(error: TomlSyntaxError) -> str:
    raise error


# --------------------------------------------------------------------------- places


def declarations(text: str) -> Iterator[tuple[TomlPath, _Spot]]:
    """Yield each key, element and table of a document in the order of the text, repeated ones too."""
    places = _Places(text)
    header: TomlPath = ()
    elements: dict[TomlPath, int] = {}
    for statement in places.tree.root_node.named_children:
        if statement.type == "pair":
            yield from places.pair(statement, header)
        elif statement.type in ("table", "table_array_element"):
            key = next((child for child in statement.named_children if _is_key(child)), None)
            if key is None:
                continue
            start = places.of(statement)
            header = ()
            parts = list(_key_parts(key))
            for node, name in parts[:-1]:
                header = (*header, name)
                yield header, _Spot(places.of(node), start)
                if header in elements:
                    header = (*header, elements[header])
            node, name = parts[-1]
            header = (*header, name)
            yield header, _Spot(places.of(node), start)
            if statement.type == "table_array_element":
                elements[header] = elements.get(header, -1) + 1
                header = (*header, elements[header])
                yield header, _Spot(places.of(node), start)
            for child in statement.named_children:
                if child.type == "pair":
                    yield from places.pair(child, header)


class _Places:
    """The syntax tree of a text, walked with positions in characters."""

    def __init__(self, text: str) -> None:
        import tree_sitter
        import tree_sitter_toml

        source = text.encode()
        parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
        self.tree: Tree = parser.parse(source)
        self._lines = source.split(b"\n")
        self._last = (0, 0, 0)  # row, byte and character of the last place: nodes come in order

    def of(self, node: Node) -> Place:
        """Return where a node starts; without decoding a long line again for each of its nodes."""
        row, column = node.start_point
        last_row, start, characters = self._last
        if row != last_row or column < start:
            start = characters = 0
        characters += len(self._lines[row][start:column].decode())
        self._last = (row, column, characters)
        return Place(row + 1, characters + 1)

    def pair(self, node: Node, parent: TomlPath) -> Iterator[tuple[TomlPath, _Spot]]:
        named = [child for child in node.named_children if child.type != "comment"]
        if len(named) < 2 or not _is_key(named[0]):
            return
        key, value = named[0], named[1]
        parts = list(_key_parts(key))
        for part, name in parts[:-1]:
            parent = (*parent, name)
            yield parent, _Spot(self.of(part), self.of(part))
        path = (*parent, parts[-1][1])
        yield path, _Spot(self.of(parts[-1][0]), self.of(value))
        yield from self.inside(value, path)

    def inside(self, value: Node, path: TomlPath) -> Iterator[tuple[TomlPath, _Spot]]:
        if value.type == "inline_table":
            for child in value.named_children:
                if child.type == "pair":
                    yield from self.pair(child, path)
        elif value.type == "array":
            elements = (child for child in value.named_children if child.type != "comment")
            for index, element in enumerate(elements):
                place = self.of(element)
                yield (*path, index), _Spot(place, place)
                yield from self.inside(element, (*path, index))


def _is_key(node: Node) -> bool:
    return node.type in ("bare_key", "quoted_key", "dotted_key")


def _key_parts(key: Node) -> Iterator[tuple[Node, str]]:
    """Yield the parts of a (dotted) key with their names, from left to right."""
    if key.type == "dotted_key":
        for child in key.named_children:
            yield from _key_parts(child)
        return
    text = (key.text or b"").decode()
    yield key, next(iter(tomllib.loads(f"{text} = 0"))) if key.type == "quoted_key" else text
