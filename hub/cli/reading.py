"""The journal for reading: SQLite lets any process look while one writes, so no hub has to be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.journal.sqlite import SqliteJournal
from runtime.settings import Settings


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[SqliteJournal | None]:
    """Give the journal without a writer; None when the workspace has none yet."""
    path = settings.var / "hubbub.db"
    if not path.exists():
        yield None
        return
    journal = SqliteJournal(path)
    try:
        yield journal
    finally:
        await journal.aclose()
