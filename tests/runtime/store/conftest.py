"""A store on a real journal, with an embedder that can be taken away."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import PluginError
from runtime.journal.items import JournalItems
from runtime.journal.sqlite import SqliteJournal
from runtime.store.store import Store


class Words:
    """Embeds a text as the words it has: texts that share words are near."""

    size = 64

    def __init__(self) -> None:
        self.space = "words:64"
        self.broken = False
        self.calls = 0

    async def embed(self, texts: Sequence[str]) -> np.ndarray | None:
        """Count hashed words."""
        if self.broken:
            raise PluginError("The embedder failed; mend it.")
        if not self.space:
            return None
        self.calls += 1
        vectors = np.zeros((len(texts), self.size), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in "".join(char if char.isalnum() else " " for char in text.lower()).split():
                row[zlib.crc32(word.encode()) % self.size] += 1
        return vectors


@dataclass
class Clock:
    """A clock that a test turns."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@dataclass
class Opened:
    """A store and what it stands on."""

    store: Store
    words: Words
    clock: Clock
    journal: SqliteJournal


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """An empty store that is tidied by the test alone."""
    journal = SqliteJournal(tmp_path / "hubbub.db", durability="normal")
    await journal.open()
    words, clock = Words(), Clock()
    yield Opened(Store(JournalItems(journal), words, clock), words, clock, journal)
    await journal.aclose()


@pytest.fixture
def store(opened: Opened) -> Store:
    """The store alone."""
    return opened.store
