"""Answers that are kept by their id: each its tenant's, for a time."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from runtime.errors import NoSuchResponse
from runtime.journal.responses import JournalResponses, StoredResponse
from runtime.journal.sqlite import SqliteJournal

ASKED = StoredResponse("a", "resp_1", time.time(), {"input": "hi"})


async def test_an_answer_is_found_by_its_own_tenant(journal: SqliteJournal) -> None:
    responses = JournalResponses(journal, keep=None)
    await responses.put(ASKED)
    await responses.put(replace(ASKED, tenant="b", request={"input": "other"}))
    ended = replace(ASKED, answer={"status": "completed"}, events=b"x")
    await responses.end(ended)
    assert await responses.get("a", "resp_1") == ended
    assert (await responses.get("b", "resp_1")).answer is None
    await responses.delete("a", "resp_1")
    with pytest.raises(NoSuchResponse, match="ask again"):
        await responses.get("a", "resp_1")
    assert (await responses.get("b", "resp_1")).request == {"input": "other"}


async def test_what_was_deleted_meanwhile_does_not_come_back(journal: SqliteJournal) -> None:
    responses = JournalResponses(journal, keep=None)
    await responses.put(ASKED)
    await responses.delete("a", "resp_1")
    await responses.end(replace(ASKED, answer={"status": "completed"}))
    with pytest.raises(NoSuchResponse):
        await responses.delete("a", "resp_1")


async def test_answers_go_when_their_time_is_over(journal: SqliteJournal) -> None:
    await JournalResponses(journal, keep=None).put(replace(ASKED, created_at=time.time() - 7200))
    await JournalResponses(journal, keep=None).put(replace(ASKED, id="resp_2", created_at=time.time()))
    await JournalResponses(journal, keep=None).sweep()
    assert (await JournalResponses(journal, keep=None).get("a", "resp_1")).run == ""
    await JournalResponses(journal, keep=3600).sweep()
    with pytest.raises(NoSuchResponse):
        await JournalResponses(journal, keep=3600).get("a", "resp_1")
    assert (await JournalResponses(journal, keep=3600).get("a", "resp_2")).run == ""
