"""A shift of what is scored is measured against training, over the rows scored last."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tabular.schema import Feature, Schema, Training
from runtime.tabular.spread import ENOUGH, WINDOW, Window, bin_of, bins_of, with_spread

random = np.random.default_rng(4)
SIZE = with_spread(Feature("size", "number"), random.normal(size=5_000))
SOURCE = with_spread(
    Feature("source", "category", levels=("web", "fair", "list")),
    random.choice([0.0, 1.0, 2.0, np.nan], 5_000, p=[0.6, 0.2, 0.1, 0.1]),
)
SCHEMA = Schema("lightgbm", (SIZE, SOURCE), "", (0.0, 1.0), Training("a", "", "", "won", "1", 1, 1))


def lead(shift: float = 0.0, source: float | None = None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    drawn = random.choice([0.0, 1.0, 2.0, np.nan], p=[0.6, 0.2, 0.1, 0.1]) if source is None else source
    return np.array([random.normal() + shift, drawn])


def test_the_shares_of_training_are_kept() -> None:
    assert sum(SIZE.shares) == pytest.approx(1)
    assert SIZE.shares[0] == 0
    assert SIZE.shares[1:] == pytest.approx([0.1] * 10, abs=0.01)
    assert SOURCE.shares == pytest.approx([0.1, 0.6, 0.2, 0.1], abs=0.02)


def test_leads_like_those_of_training_are_stable_once_there_are_enough() -> None:
    window = Window(SCHEMA)
    levels = [window.add(lead()).level for _ in range(2 * WINDOW)]
    assert set(levels[: ENOUGH - 1]) == {"gathering"}
    assert levels[-1] == "stable"


@pytest.mark.parametrize(("shift", "source", "feature"), [(1.0, None, "size"), (0.0, 2.0, "source")])
def test_other_leads_are_noticed_with_the_feature_and_forgotten_again(
    shift: float, source: float | None, feature: str
) -> None:
    window = Window(SCHEMA)
    for _ in range(WINDOW):
        window.add(lead(shift, source))
    assert (window.drift.level, window.drift.feature) == ("shifted", feature)
    for _ in range(WINDOW):
        window.add(lead())
    assert window.drift.level == "stable"


def test_missing_values_are_a_shift_too() -> None:
    window = Window(SCHEMA)
    for _ in range(ENOUGH):
        window.add(np.array([np.nan, 0.0]))
    assert (window.drift.level, window.drift.feature) == ("shifted", "size")


@given(st.lists(st.floats(-5, 5) | st.just(math.nan), min_size=1), st.integers(0, 60))
def test_one_value_falls_into_the_bin_that_it_falls_into_among_many(values: list[float], levels: int) -> None:
    made = np.array(values)
    number = with_spread(Feature("a", "number"), made)
    assert [bin_of(number, each) for each in values] == bins_of(number, made).tolist()
    category = Feature("a", "category", levels=tuple(map(str, range(levels))))
    codes = np.array([*map(float, range(levels)), math.nan])
    assert [bin_of(category, each) for each in codes.tolist()] == bins_of(category, codes).tolist()
    assert len(with_spread(category, codes).shares) > max(bins_of(category, codes))
