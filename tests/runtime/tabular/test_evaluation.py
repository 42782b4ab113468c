"""The figures are what they are called, and no model is judged by rows that it has seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from runtime.tabular.evaluation import foresee_at_random, judge, roll
from runtime.tabular.picture import calibration_lines, calibration_svg


@dataclass
class Share:
    """Foresees the share that it has seen, and keeps which rows it saw."""

    words: str = "the share"
    seen: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    def fit(self, rows: Any, outcome: Any) -> Any:
        self.seen.append(rows[:, 0])
        self.share = outcome.mean()
        return self

    def log_odds(self, rows: Any) -> Any:
        self.asked.append(rows[:, 0])
        return np.full(len(rows), np.log(self.share / (1 - self.share)))

    def contributions(self, rows: Any) -> Any:
        raise NotImplementedError

    def text(self) -> str:
        return ""


def data(rows: int) -> tuple[Any, Any]:
    random = np.random.default_rng(2)
    return np.arange(rows, dtype=float)[:, None], (random.random(rows) < 0.3).astype(np.int8)


def test_true_probabilities_have_no_calibration_error_and_false_ones_have() -> None:
    random = np.random.default_rng(3)
    foreseen = random.random(100_000)
    came = (random.random(100_000) < foreseen).astype(np.int8)
    quality = judge(foreseen, came)
    assert quality.ece < 0.01
    assert quality.brier == pytest.approx(1 / 6, abs=0.01)
    assert quality.auc == pytest.approx(5 / 6, abs=0.01)
    assert judge(foreseen**2, came).ece == pytest.approx(1 / 6, abs=0.01)


def test_lift_is_how_many_times_the_average_the_best_have() -> None:
    came = np.array([1] * 10 + [0] * 90, dtype=np.int8)
    quality = judge(np.linspace(1, 0, 100), came)
    assert quality.lift == {"1%": 10, "5%": 10, "10%": 10, "20%": 5}
    assert (quality.auc, quality.average_precision) == pytest.approx((1, 1))


def test_at_random_every_row_is_foreseen_once_by_a_model_that_has_not_seen_it() -> None:
    rows, outcome = data(500)
    recipe = Share()
    assert foresee_at_random(recipe, rows, outcome).min() > 0
    assert sorted(np.concatenate(recipe.asked)) == list(range(500))
    assert all(not set(seen) & set(asked) for seen, asked in zip(recipe.seen, recipe.asked, strict=True))


def test_rolling_trains_on_the_twenty_thousand_before_and_scores_the_next_thousand() -> None:
    recipe = Share()
    rolling = roll(recipe, *data(22_500))
    assert rolling
    assert (rolling.before, rolling.step, rolling.models) == (20_000, 1_000, 3)
    assert [(seen[0], seen[-1]) for seen in recipe.seen] == [(0, 19_999), (1_000, 20_999), (2_000, 21_999)]
    assert [(asked[0], asked[-1]) for asked in recipe.asked] == [
        (20_000, 20_999),
        (21_000, 21_999),
        (22_000, 22_499),
    ]


def test_rolling_takes_smaller_steps_on_a_short_table_and_the_newest_of_a_long_one() -> None:
    short, long = Share(), Share()
    rolling = roll(short, *data(1_000))
    assert rolling
    assert (rolling.before, rolling.step, rolling.models) == (500, 50, 10)
    assert roll(long, *data(200_000))
    assert (len(long.seen), long.asked[0][0], long.asked[-1][-1]) == (100, 100_000, 199_999)


def test_without_a_change_of_the_outcome_there_is_no_rolling_evaluation() -> None:
    rows, outcome = data(1_000)
    assert roll(Share(), rows, np.sort(outcome)) is None


def test_the_picture_is_the_same_for_the_same_figures() -> None:
    bins = judge(np.linspace(0, 1, 200), data(200)[1]).bins
    drawn = calibration_svg({"at random": bins})
    assert drawn == calibration_svg({"at random": bins})
    assert "foreseen probability" in drawn
    assert len(list(calibration_lines(bins))) == len(bins) + 1
