"""What a trained model can do, and what trains one, whichever algorithm it is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from runtime.errors import StorageError
from runtime.tabular.schema import Algorithm, Feature, Schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]
    Flags = NDArray[np.int8]
    Places = NDArray[np.intp]

ENOUGH: Final = 1_000
"""Rows of the rarer outcome from which trees are grown; with fewer a line errs less."""
FILES: Final = {"lightgbm": "model.txt", "logistic": "model.json"}


class Learner(Protocol):
    """A trained model, in log-odds."""

    def contributions(self, rows: Rows) -> Rows:
        """Return what each feature adds for each row, the base last: shape (rows, features + 1)."""

    def log_odds(self, rows: Rows) -> NDArray[np.float64]:
        """Return the sum of them, which is quicker alone."""

    def text(self) -> str:
        """Return the model as the text of its file."""


class Recipe(Protocol):
    """An algorithm whose one free number was chosen."""

    @property
    def words(self) -> str:
        """What it is, and the number, for the model's card."""

    def fit(self, rows: Rows, outcome: Flags) -> Learner:
        """Train on rows of the features; at least one of either outcome."""


def choose_recipe(
    features: tuple[Feature, ...], rows: Rows, outcome: Flags, leads: Places | None = None
) -> tuple[Algorithm, Recipe]:
    """Take the algorithm that fits the number of rows, and choose its number on a part of them."""
    rarer = min(int(outcome.sum()), len(outcome) - int(outcome.sum()))
    if rarer >= ENOUGH:
        from runtime.tabular.boosting import tune_boosting

        return "lightgbm", tune_boosting(features, rows, outcome, leads)
    from runtime.tabular.logistic import tune_logistic

    return "logistic", tune_logistic(features, rows, outcome, leads)


def digest(text: str) -> str:
    """Return the SHA-256 by which a damaged model is told from a whole one."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_learner(schema: Schema, folder: Path) -> Learner:
    """Read a model's file; StorageError when it is not the one that was written."""
    path = folder / FILES[schema.algorithm]
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); train the model again.") from None
    if digest(text) != schema.model_sha256:
        raise StorageError(
            f"{path} is damaged or was changed; train the model again, or delete the folder {folder.name}."
        )
    if schema.algorithm == "logistic":
        from runtime.tabular.logistic import read_logistic

        return read_logistic(text)
    from runtime.tabular.boosting import read_boosting

    return read_boosting(text)
