"""Trained models give parts that add up, survive being written, and are refused when they are damaged."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.errors import StorageError
from runtime.tabular import boosting
from runtime.tabular.boosting import Boosting, read_boosting
from runtime.tabular.learners import choose_recipe, digest, load_learner
from runtime.tabular.logistic import Logistic, read_logistic
from runtime.tabular.schema import Feature, Schema, Training

FEATURES = (
    Feature("size", "number"),
    Feature('a, "b": {c}', "category", levels=("x", "y", "z")),
    Feature("gaps", "number"),
    Feature("flat", "number"),
)
Data = tuple[Any, Any]


def data(rows: int, share: float = 0.3) -> Data:
    random = np.random.default_rng(1)
    size, level = random.normal(size=rows), random.integers(0, 3, rows).astype(float)
    gaps = np.where(random.random(rows) < 0.3, np.nan, random.normal(size=rows))
    pull = size + (level == 1) + np.nan_to_num(gaps) - np.isnan(gaps) + random.normal(size=rows)
    made = np.column_stack([size, level, gaps, np.full(rows, 2.0)])
    return made, (pull > np.quantile(pull, 1 - share)).astype(np.int8)


ODD = np.array([[0.0, np.nan, np.nan, np.nan], [9e9, 2.0, -9e9, 5.0], [-1.0, 1.0, 0.5, 2.0]])


@pytest.mark.parametrize("recipe", [Boosting(FEATURES, 20), Logistic(FEATURES, 0.1)])
def test_the_parts_and_the_base_are_together_the_log_odds(recipe: Any) -> None:
    rows, outcome = data(2_000)
    learner = recipe.fit(rows, outcome)
    for asked in (rows, ODD):
        parts = learner.contributions(asked)
        assert parts.shape == (len(asked), len(FEATURES) + 1)
        assert np.allclose(parts.sum(axis=1), learner.log_odds(asked))
        assert np.ptp(parts[:, -1]) == 0


def test_a_line_is_the_one_that_scikit_learn_finds_and_its_parts_are_nothing_on_average() -> None:
    from sklearn.linear_model import LogisticRegression

    rows, outcome = data(2_000)
    rows = rows[:, :1]
    lines = Logistic(FEATURES[:1], 0.1).fit(rows, outcome)
    low, high = np.quantile(rows, [0.01, 0.99])
    clipped = np.clip(rows, low, high)
    scaled = (clipped - clipped.mean()) / clipped.std()
    expected = LogisticRegression(C=0.1, max_iter=500).fit(scaled, outcome).decision_function(scaled)
    assert np.allclose(lines.log_odds(rows), expected, atol=1e-4)  # both stop when they are near enough
    assert np.allclose(lines.contributions(rows)[:, 0].mean(), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("recipe", "read"), [(Boosting(FEATURES, 20), read_boosting), (Logistic(FEATURES, 0.1), read_logistic)]
)
def test_a_model_that_was_written_scores_as_before(recipe: Any, read: Any) -> None:
    rows, outcome = data(2_000)
    learner = recipe.fit(rows, outcome)
    assert np.array_equal(read(learner.text()).contributions(rows), learner.contributions(rows))


def test_trees_that_would_be_too_many_learn_in_larger_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, outcome = data(4_000)
    slow = boosting.tune_boosting(FEATURES, rows, outcome)
    monkeypatch.setattr(boosting, "MOST_ROUNDS", 40)
    quick = boosting.tune_boosting(FEATURES, rows, outcome)
    assert slow.rounds > 40 >= quick.rounds
    assert quick.rate > slow.rate
    assert "steps of 0.1" in quick.words


@pytest.mark.parametrize(("rows", "algorithm"), [(4_000, "lightgbm"), (2_000, "logistic")])
def test_trees_are_grown_from_a_thousand_positives(rows: int, algorithm: str) -> None:
    assert choose_recipe(FEATURES, *data(rows))[0] == algorithm


def test_training_twice_gives_the_same_model() -> None:
    rows, outcome = data(4_000)
    assert (
        Boosting(FEATURES, 20).fit(rows, outcome).text() == Boosting(FEATURES, 20).fit(rows, outcome).text()
    )


def test_a_model_that_was_cut_or_changed_is_refused(tmp_path: Path) -> None:
    text = Boosting(FEATURES, 20).fit(*data(2_000)).text()
    schema = Schema("lightgbm", FEATURES, digest(text), (0.0, 1.0), Training("a", "", "", "won", "1", 1, 1))
    folder = tmp_path / "1"
    folder.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        load_learner(schema, folder)
    (folder / "model.txt").write_text(text)
    load_learner(schema, folder)
    for damaged in (text[:-500], text.replace("leaf_value=", "leaf_value=9", 1), "\0\0"):
        (folder / "model.txt").write_text(damaged)
        with pytest.raises(StorageError, match="is damaged or was changed; train the model again"):
            load_learner(schema, folder)
    (folder / "model.json").write_text("{}")
    with pytest.raises(StorageError, match="holds no coefficients"):
        load_learner(dataclasses.replace(schema, algorithm="logistic", model_sha256=digest("{}")), folder)
