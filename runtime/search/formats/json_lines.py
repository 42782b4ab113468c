"""Reading JSON Lines: one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO

import orjson

from runtime.search.data import Piece
from runtime.search.formats.records import Records
from runtime.search.formats.source import BadLine, Source

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one JSON line; a longer one is skipped and reported."""


def read_json_lines(source: Source) -> Iterator[Piece]:
    """Yield one passage a record (more where it is long); lines that cannot be read are complained of."""
    with source.path.open("rb") as file, closing(Records()) as records:
        for number, line in enumerate(_bounded_lines(file), start=1):
            source.advance(len(line))
            try:
                if record := _parse(line if number > 1 else line.removeprefix(b"\xef\xbb\xbf")):
                    yield from records.pieces(record, number)
            except BadLine as error:
                source.complain(number, str(error))


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


def _json_type(value: Any) -> str:
    names = {list: "array", str: "string", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
