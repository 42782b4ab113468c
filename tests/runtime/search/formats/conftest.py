"""Files that are read, and what is complained of in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.search.data import Piece
from runtime.search.documents import check, look, read_document

Read = Callable[..., list[Piece]]


@pytest.fixture
def complaints() -> list[tuple[int, str]]:
    return []


@pytest.fixture
def read(tmp_path: Path, complaints: list[tuple[int, str]]) -> Read:
    """Write a file, unless `content` is None, and read it as `hubbub index` does."""

    def read(name: str, content: str | bytes | None = None) -> list[Piece]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        seen = check(path, look(path))
        pieces = read_document(
            path, seen.encoding, lambda _: None, lambda line, sentence: complaints.append((line, sentence))
        )
        return list(pieces)

    return read
