"""A column that was made from the outcomes is told from one that foresees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from runtime.tabular.averages import averaged
from runtime.tabular.columns import Column

ROWS = 12_000
random = np.random.default_rng(4)
town = random.integers(0, 240, ROWS)
chance = np.clip(random.beta(2, 8, 240), 0.02, 0.9)
outcome = (random.random(ROWS) < chance[town]).astype(np.int8)
towns = Column("town", "category", town.astype(np.float64), tuple(f"town {n}" for n in range(240)))


def number(values: object) -> Column:
    return Column("rate", "number", np.asarray(values, dtype=np.float64))


def drawn(strength: float) -> Column:
    rows, good = np.bincount(town), np.bincount(town, weights=outcome)
    return number(((good + strength * outcome.mean()) / (rows + strength))[town])


@pytest.mark.parametrize("strength", [0.0, 10.0, 50.0])
def test_the_average_of_a_group_is_found_however_it_was_smoothed(strength: float) -> None:
    found = averaged(drawn(strength), [towns], outcome)
    assert found is not None
    assert found.scatter < 0.2
    found = averaged(drawn(strength), [], outcome)
    assert strength or found is not None


def test_what_was_known_before_is_no_average_however_true_it_is() -> None:
    assert averaged(number(chance[town]), [towns], outcome) is None
    last_year = random.binomial(60, chance) / 60
    assert averaged(number(last_year[town]), [towns], outcome) is None


def test_an_average_of_other_rows_is_none_of_these() -> None:
    half = random.random(ROWS) < 0.5
    rows, good = np.bincount(town[half], minlength=240), np.bincount(town[half], outcome[half], 240)
    rate = (good / np.maximum(rows, 1))[town]
    other = Column("rate", "number", rate[~half])
    beside = replace(towns, values=towns.values[~half])
    assert averaged(other, [beside], outcome[~half]) is None


@pytest.mark.parametrize("seed", range(20))
def test_numbers_that_come_back_are_left_alone(seed: int) -> None:
    made = np.random.default_rng(seed)
    values = made.integers(0, 60, ROWS)
    won = (made.random(ROWS) < 0.05 + 0.005 * values).astype(np.int8)
    assert averaged(number(values), [], won) is None
