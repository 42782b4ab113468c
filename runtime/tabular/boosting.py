"""Gradient-boosted trees of LightGBM, on numbers and codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import CannotStart
from runtime.tabular.schema import Feature
from runtime.tabular.together import fifths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]
    Flags = NDArray[np.int8]
    Places = NDArray[np.intp]

_SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 15,
    "max_depth": 5,  # what a tree's reasons cost grows with its square
    "min_data_in_leaf": 50,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "cat_smooth": 20.0,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
MOST_ROUNDS: Final = 500
_QUICKER: Final = 0.1
"""The learning rate where so many small steps do not get to the end."""
_PATIENCE: Final = 30
_MANY: Final = 100_000
"""Rows from which more than one thread is worth its waiting."""
_UNSAFE: Final = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Trees:
    """A booster; one row is scored on one thread."""

    booster: Any

    def contributions(self, rows: Rows) -> Rows:
        """Return SHAP values, which are exact for trees, the base last."""
        found: Rows = self.booster.predict(rows, pred_contrib=True, num_threads=1)
        return found

    def log_odds(self, rows: Rows) -> NDArray[np.float64]:
        """Return their sum."""
        found: NDArray[np.float64] = self.booster.predict(rows, raw_score=True, num_threads=_threads(rows))
        return found

    def text(self) -> str:
        """Return LightGBM's own text, which holds no code."""
        words: str = self.booster.model_to_string()
        return words


@dataclass(frozen=True, slots=True)
class Boosting:
    """Trains a number of trees that was chosen before."""

    features: tuple[Feature, ...]
    rounds: int
    rate: float = _SETTINGS["learning_rate"]

    @property
    def words(self) -> str:
        """What it is, for the model's card."""
        return (
            f"LightGBM, {self.rounds} trees of at most {_SETTINGS['num_leaves']} leaves, "
            f"in steps of {self.rate:g}"
        )

    def fit(self, rows: Rows, outcome: Flags) -> Trees:
        """Train on rows of the features."""
        return Trees(_lightgbm().train(self.settings(rows), self.data(rows, outcome), self.rounds))

    def settings(self, rows: Rows) -> dict[str, Any]:
        """Return what LightGBM is told."""
        return {**_SETTINGS, "learning_rate": self.rate, "num_threads": _threads(rows)}

    def data(self, rows: Rows, outcome: Flags) -> Any:
        """Return the rows as LightGBM takes them."""
        names = [f"{place}_{_UNSAFE.sub('_', each.name)}" for place, each in enumerate(self.features)]
        categories = [place for place, each in enumerate(self.features) if each.kind == "category"]
        return _lightgbm().Dataset(
            rows, outcome, feature_name=names, categorical_feature=categories, params={"verbose": -1}
        )


def tune_boosting(
    features: tuple[Feature, ...], rows: Rows, outcome: Flags, leads: Places | None = None
) -> Boosting:
    """Choose the number of trees on a fifth of the rows that they do not see.

    Where the most trees still learn, they learn in larger steps: more of them would make scoring slow.
    """
    parts = _parted(rows, outcome, leads)
    recipe = Boosting(features, MOST_ROUNDS)
    rounds = _best_rounds(recipe, *parts)
    if rounds > MOST_ROUNDS - _PATIENCE:
        recipe = Boosting(features, MOST_ROUNDS, _QUICKER)
        rounds = _best_rounds(recipe, *parts)
    return replace(recipe, rounds=max(10, rounds))


def _parted(rows: Rows, outcome: Flags, leads: Places | None) -> Sequence[Any]:
    from sklearn.model_selection import train_test_split

    if leads is None:
        parted: Sequence[Any] = train_test_split(
            rows, outcome, test_size=0.2, random_state=1, stratify=outcome
        )
        return parted
    seen, unseen = next(fifths(outcome, leads))
    return rows[seen], rows[unseen], outcome[seen], outcome[unseen]


def _best_rounds(recipe: Boosting, seen: Rows, unseen: Rows, known: Flags, foreseen: Flags) -> int:
    """Return after how many trees the rows that were not seen are foreseen best."""
    lightgbm = _lightgbm()
    data = recipe.data(seen, known)
    booster = lightgbm.train(
        {**recipe.settings(seen), "metric": "binary_logloss"},
        data,
        recipe.rounds,
        valid_sets=[data.create_valid(unseen, foreseen)],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    return int(booster.best_iteration)


def read_boosting(text: str) -> Trees:
    """Read a model from its text."""
    return Trees(_lightgbm().Booster(model_str=text))


def _threads(rows: Rows) -> int:
    return 0 if len(rows) >= _MANY else 1


def _lightgbm() -> Any:
    try:
        import lightgbm
    except OSError as error:  # its library wants one of the system's
        raise CannotStart(
            f"LightGBM cannot be loaded ({error}); install libgomp (Debian: apt-get install libgomp1)."
        ) from None
    return lightgbm
