"""Periods are read as people write them, whatever day it is."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.insights.periods import period_of

TODAY = date(2025, 5, 14)
"""A Wednesday."""
WORDS = ["last", "this", "past", "1", "7", "9999", "days", "hours", "week", "month", "year", "quarter", "may"]
WORDS += [
    "june",
    "2024-02",
    "today",
    "since",
    "3",
    "to",
    "ago",
    "q2",
    "monday",
    "a",
    "weekend",
    "next",
    "letzte",
]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("What did models cost in the last 7 days?", "2025-05-08", "2025-05-14"),
        ("past 2 weeks", "2025-05-01", "2025-05-14"),
        ("last 24 hours", "2025-05-13", "2025-05-14"),
        ("today", "2025-05-14", "2025-05-14"),
        ("Yesterday!", "2025-05-13", "2025-05-13"),
        ("this week", "2025-05-12", "2025-05-14"),
        ("last week", "2025-05-05", "2025-05-11"),
        ("this month", "2025-05-01", "2025-05-14"),
        ("last month", "2025-04-01", "2025-04-30"),
        ("last quarter", "2025-01-01", "2025-03-31"),
        ("last year", "2024-01-01", "2024-12-31"),
        ("in March", "2025-03-01", "2025-03-31"),
        ("in november", "2024-11-01", "2024-11-30"),
        ("February 2024", "2024-02-01", "2024-02-29"),
        ("in may", "2025-05-01", "2025-05-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025-01-01..2025-01-31", "2025-01-01", "2025-01-31"),
        ("from 2025-02-10 to 2025-02-03", "2025-02-03", "2025-02-10"),
        ("on 2025-02-03", "2025-02-03", "2025-02-03"),
        ("since 2025-02-03", "2025-02-03", "2025-05-14"),
        ("since 2030-01-01", "2030-01-01", "2030-01-01"),
        ("the day before yesterday", "2025-05-12", "2025-05-12"),
        ("in the last hour", "2025-05-14", "2025-05-14"),
        ("the last three days", "2025-05-12", "2025-05-14"),
        ("three days ago", "2025-05-11", "2025-05-11"),
        ("two weeks ago", "2025-04-28", "2025-05-04"),
        ("a month ago", "2025-04-01", "2025-04-30"),
        ("on Monday", "2025-05-12", "2025-05-12"),
        ("on Wednesday", "2025-05-14", "2025-05-14"),
        ("last Wednesday", "2025-05-07", "2025-05-07"),
        ("since Monday", "2025-05-12", "2025-05-14"),
        ("since last week", "2025-05-05", "2025-05-14"),
        ("from last week", "2025-05-05", "2025-05-11"),
        ("after the 3rd of May", "2025-05-04", "2025-05-14"),
        ("since the 1st of March", "2025-03-01", "2025-05-14"),
        ("from Monday until now", "2025-05-12", "2025-05-14"),
        ("last weekend", "2025-05-10", "2025-05-11"),
        ("next Friday", "2025-05-16", "2025-05-16"),
        ("tomorrow", "2025-05-15", "2025-05-15"),
        ("next month", "2025-06-01", "2025-06-30"),
        ("Q1", "2025-01-01", "2025-03-31"),
        ("in Q3", "2024-07-01", "2024-09-30"),
        ("Q2 2024", "2024-04-01", "2024-06-30"),
        ("the third quarter of 2024", "2024-07-01", "2024-09-30"),
        ("H2 2024", "2024-07-01", "2024-12-31"),
        ("in 2024", "2024-01-01", "2024-12-31"),
        ("year to date", "2025-01-01", "2025-05-14"),
        ("February 29", "2024-02-29", "2024-02-29"),
        ("on June 3", "2024-06-03", "2024-06-03"),
        ("Mar 3 - 9, 2024", "2024-03-03", "2024-03-09"),
        ("between November 3 and November 9", "2024-11-03", "2024-11-09"),
        ("from 3 Nov to 9 Nov 2024", "2024-11-03", "2024-11-09"),
        ("3 to 9 November", "2024-11-03", "2024-11-09"),
        ("from March to April", "2025-03-01", "2025-04-30"),
        ("this month against last month", "2025-05-01", "2025-05-14"),
        ("26/04/2025", "2025-04-26", "2025-04-26"),
        ("04/26/2025", "2025-04-26", "2025-04-26"),
        ("of all time", "2015-05-18", "2025-05-14"),
        ("gestern", "2025-05-13", "2025-05-13"),
        ("vorgestern", "2025-05-12", "2025-05-12"),
        ("letzte Woche", "2025-05-05", "2025-05-11"),
        ("in den letzten sieben Tagen", "2025-05-08", "2025-05-14"),
        ("vor zwei Wochen", "2025-04-28", "2025-05-04"),
        ("seit Montag", "2025-05-12", "2025-05-14"),
        ("im dritten Quartal 2024", "2024-07-01", "2024-09-30"),
        ("im Mai", "2025-05-01", "2025-05-31"),
        ("vom 3. bis 9. März", "2025-03-03", "2025-03-09"),
        ("am 03.02.2025", "2025-02-03", "2025-02-03"),
    ],
)
def test_a_period_is_read(text: str, first: str, last: str) -> None:
    assert period_of(text, TODAY) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How may I help?",
        "the cost of graph 7",
        "últimos siete días",
        "x" * 10_000,
        "tag 2024",
        "now",
        "10 a day",
    ],
)
def test_a_text_without_a_period_names_none(text: str) -> None:
    assert period_of(text, TODAY) is None


@pytest.mark.parametrize("text", ["on 2025-02-30", "2025-13", "0000-00-00"])
def test_a_day_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no day; write it like 2025-01-31"):
        period_of(text, TODAY)


@pytest.mark.parametrize("text", ["the first half of March", "the last week of March", "end of 2024"])
def test_a_part_of_a_month_is_not_taken_for_the_whole(text: str) -> None:
    with pytest.raises(InvalidInput, match="write its days, such as 2025-01-01"):
        period_of(text, TODAY)


@pytest.mark.parametrize("text", ["until Monday", "before March"])
def test_a_period_without_a_first_day_is_one_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="needs its first day too"):
        period_of(text, TODAY)


def test_a_day_that_is_two_days_is_one_sentence() -> None:
    with pytest.raises(InvalidInput, match="5/11/2025 is two days, depending on who reads it"):
        period_of("on 5/11/2025", TODAY)


@given(
    st.lists(st.sampled_from(WORDS)).map(" ".join),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)
def test_a_period_never_ends_before_it_begins(text: str, today: date) -> None:
    found = None
    with suppress(InvalidInput):
        found = period_of(text, today)
    if found is not None:
        assert found[0] <= found[1]
        assert found[0] > today - timedelta(3660) or "2024-02" in text
