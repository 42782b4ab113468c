"""Periods are read as people write them, whatever day it is."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidInput
from runtime.periods import period_of

TODAY = date(2025, 5, 14)
"""A Wednesday."""
WORDS = ["last", "this", "past", "1", "7", "9999", "days", "hours", "week", "month", "year", "quarter", "may"]
WORDS += ["june", "2024-02", "today"]


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
    ],
)
def test_a_period_is_read(text: str, first: str, last: str) -> None:
    assert period_of(text, TODAY) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "text", ["", "How may I help?", "the cost of graph 7", "últimos siete días", "x" * 10_000]
)
def test_a_text_without_a_period_names_none(text: str) -> None:
    assert period_of(text, TODAY) is None


@pytest.mark.parametrize("text", ["on 2025-02-30", "2025-13", "0000-00-00"])
def test_a_day_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no day; write it like 2025-01-31"):
        period_of(text, TODAY)


@given(
    st.lists(st.sampled_from(WORDS)).map(" ".join),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)
def test_a_period_never_ends_before_it_begins(text: str, today: date) -> None:
    found = period_of(text, today)
    if found is not None:
        assert found[0] <= found[1]
        assert found[0] > today - timedelta(3660) or "2024-02" in text
