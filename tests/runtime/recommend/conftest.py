"""What users did, on a real journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.journal.interactions import JournalInteractions
from runtime.journal.sqlite import SqliteJournal
from runtime.recommend.interactions import AllInteractions


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """An empty journal."""
    opened = SqliteJournal(tmp_path / "hubbub.db", durability="normal")
    await opened.open()
    yield opened
    await opened.aclose()


@pytest.fixture
def interactions(journal: SqliteJournal, tmp_path: Path) -> AllInteractions:
    """Nothing has happened yet."""
    return AllInteractions(JournalInteractions(journal), tmp_path)
