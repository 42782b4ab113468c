"""Rows of one lead are found, and stay on one side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runtime.tabular.columns import Column
from runtime.tabular.together import fifths, together

ROWS = 1_000
random = np.random.default_rng(2)
size = Column("size", "number", random.normal(size=ROWS).round(6))
plan = Column("plan", "category", random.integers(0, 3, ROWS).astype(np.float64), ("a", "b", "c"))
outcome = (random.random(ROWS) < 0.3).astype(np.int8)
twice = np.r_[np.arange(ROWS), np.arange(200)]


def again(column: Column) -> Column:
    return replace(column, values=column.values[twice])


def test_copies_are_of_one_lead() -> None:
    leads, notes = together([again(size), again(plan)], outcome[twice], {})
    assert leads is not None
    assert (leads[:200] == leads[ROWS:]).all()
    assert notes == [
        "200 rows are copies of others, but for an id or time: they were kept on one side when the figures "
        "at random were measured"
    ]


def test_rows_that_are_equal_by_chance_are_leads_of_their_own() -> None:
    assert together([plan], outcome, {}) == (None, [])
    assert together([again(size), again(plan)], random.permutation(outcome[twice]), {}) == (None, [])


def test_an_id_that_repeats_joins_rows_and_one_that_is_missing_does_not() -> None:
    values = (np.arange(ROWS) // 4).astype(np.float64)
    values[-100:] = np.nan
    leads, notes = together([Column("person_id", "id", values), size], outcome, {"person_id": 675})
    assert leads is not None
    assert len(np.unique(leads)) == 225 + 100
    assert notes[0].startswith("person_id repeats in 675 rows: they were kept on one side")


def test_what_all_belongs_to_a_few_is_said_to_be_judged_too_well() -> None:
    few = (np.arange(ROWS) % 4).astype(np.float64)
    leads, notes = together([Column("person_id", "id", few)], outcome, {"person_id": ROWS - 4})
    assert leads is None
    assert notes[0].endswith("the figures at random are too good")


def test_every_row_is_in_one_fifth_and_no_lead_in_two() -> None:
    leads = random.integers(0, 300, ROWS)
    parts = list(fifths(outcome, leads))
    assert sorted(np.concatenate([unseen for _, unseen in parts])) == list(range(ROWS))
    for seen, unseen in parts:
        assert not set(leads[seen]) & set(leads[unseen])
        assert 0 < outcome[unseen].sum() < len(unseen)
