"""The saver keeps LangGraph's contract, judged by LangGraph's own conformance suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate

from runtime.journal.checkpoints import JournalSaver
from runtime.journal.sqlite import SqliteJournal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db", durability="normal")
    await opened.open()
    yield opened
    await opened.aclose()


async def test_the_saver_passes_the_base_conformance_suite(journal: SqliteJournal) -> None:
    @checkpointer_test(name="journal")
    async def saver() -> AsyncIterator[JournalSaver]:
        yield JournalSaver(journal)

    report = await validate(saver)
    report.print_report()
    assert report.passed_all(), report
