"""Logistic regression whose coefficients are a page of JSON; each feature adds its own part."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import StorageError
from runtime.tabular.schema import Feature
from runtime.tabular.together import fifths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]
    Flags = NDArray[np.int8]
    Places = NDArray[np.intp]

STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_SAMPLE: Final = 20_000
_NARROW: Final = 300
_TAILS: Final = (0.01, 0.99)


@dataclass(frozen=True, slots=True)
class Term:
    """What one feature adds: a slope between two bounds, or a number for each level; `missing` for none."""

    missing: float
    slope: float = 0.0
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0
    levels: tuple[float, ...] | None = None

    def parts(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the feature adds for each value."""
        import numpy as np

        if self.levels is not None:
            table = np.array([*self.levels, self.missing])
            found: NDArray[np.float64] = table[np.nan_to_num(values, nan=len(self.levels)).astype(np.int64)]
            return found
        line = (np.clip(values, self.low, self.high) - self.middle) * self.slope
        return np.where(np.isnan(values), self.missing, line)


@dataclass(frozen=True, slots=True)
class Lines:
    """The terms of the features, each 0 on average, and the base."""

    base: float
    terms: tuple[Term, ...]

    def contributions(self, rows: Rows) -> Rows:
        """Return what each feature adds, the base last."""
        import numpy as np

        parts = [term.parts(rows[:, place]) for place, term in enumerate(self.terms)]
        return np.column_stack([*parts, np.full(len(rows), self.base)])

    def log_odds(self, rows: Rows) -> NDArray[np.float64]:
        """Return their sum."""
        total: NDArray[np.float64] = self.contributions(rows).sum(axis=1)
        return total

    def text(self) -> str:
        """Return the terms as JSON."""
        from pydantic import TypeAdapter

        return TypeAdapter(Lines).dump_json(self, indent=1, exclude_defaults=True).decode() + "\n"


@dataclass(frozen=True, slots=True)
class Logistic:
    """Trains with a strength (sklearn's C) that was chosen before."""

    features: tuple[Feature, ...]
    strength: float

    @property
    def words(self) -> str:
        """What it is, for the model's card."""
        return f"logistic regression, ridge with C = {self.strength:g}"

    def fit(self, rows: Rows, outcome: Flags) -> Lines:
        """Train on rows of the features."""
        design = [_Design.of(feature, rows[:, place]) for place, feature in enumerate(self.features)]
        matrix = _matrix(design, rows)
        model = _regression(self.strength, matrix.shape[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not wholly converged is near enough
            model.fit(matrix, outcome)
        return _lines(design, rows, [float(each) for each in model.coef_[0]], float(model.intercept_[0]))


def tune_logistic(
    features: tuple[Feature, ...], rows: Rows, outcome: Flags, leads: Places | None = None
) -> Logistic:
    """Choose the strength by the log loss of five folds."""
    import numpy as np
    from sklearn.model_selection import cross_val_score

    taken = np.random.default_rng(1).permutation(len(rows))[:_SAMPLE]
    if not 5 <= outcome[taken].sum() <= len(taken) - 5:
        return Logistic(features, 0.1)
    rows, outcome = rows[taken], outcome[taken]
    matrix = _matrix([_Design.of(feature, rows[:, place]) for place, feature in enumerate(features)], rows)
    folds = list(fifths(outcome, None if leads is None else leads[taken]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = [
            cross_val_score(
                _regression(each, matrix.shape[1]), matrix, outcome, cv=folds, scoring="neg_log_loss"
            ).mean()
            for each in STRENGTHS
        ]
    return Logistic(features, STRENGTHS[int(np.argmax(losses))])


def read_logistic(text: str) -> Lines:
    """Read a model from its JSON."""
    from pydantic import TypeAdapter, ValidationError

    try:
        lines: Lines = TypeAdapter(Lines).validate_json(text)
    except ValidationError:
        raise StorageError("model.json holds no coefficients; train the model again.") from None
    return lines


@dataclass(frozen=True, slots=True)
class _Design:
    """How one feature becomes columns of the regression."""

    levels: int
    low: float
    high: float
    middle: float
    scale: float
    gaps: bool

    @classmethod
    def of(cls, feature: Feature, values: NDArray[np.float64]) -> _Design:
        import numpy as np

        there = values[~np.isnan(values)]
        gaps = len(there) < len(values)
        if feature.kind == "category":
            return cls(len(feature.levels), 0, 0, 0, 1, gaps)
        low, high = np.quantile(there, _TAILS) if len(there) else (0.0, 0.0)
        clipped = np.clip(there, low, high)
        middle, scale = (clipped.mean(), clipped.std()) if len(there) else (0.0, 1.0)
        return cls(-1, float(low), float(high), float(middle), float(scale) or 1.0, gaps)

    @property
    def width(self) -> int:
        return max(1, self.levels) * (self.levels != 0) + self.gaps

    def columns(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        missing = np.isnan(values)
        if self.levels >= 0:
            made = (values[:, None] == np.arange(self.levels)[None, :]).astype(np.float64)
        else:
            line = (np.clip(values, self.low, self.high) - self.middle) / self.scale
            made = np.where(missing, 0.0, line)[:, None]
        return np.hstack([made, missing[:, None].astype(np.float64)]) if self.gaps else made

    def term(self, weights: Sequence[float], values: NDArray[np.float64]) -> tuple[Term, float]:
        """Return the feature's term, made 0 on average, and what that average was."""
        missing = weights[-1] if self.gaps else 0.0
        if self.levels >= 0:
            raw = Term(missing, levels=tuple(weights[: self.levels]))
        else:
            raw = Term(missing, weights[0] / self.scale, self.low, self.high, self.middle)
        mean = float(raw.parts(values).mean())
        if raw.levels is not None:
            levels = tuple(each - mean for each in raw.levels)
            # A level that was never seen says nothing, unless rows without a value did.
            return Term(missing - mean if self.gaps else 0.0, levels=levels), mean
        if not raw.slope:
            return raw, 0.0
        middle = raw.middle + mean / raw.slope
        return Term(missing - mean if self.gaps else 0.0, raw.slope, raw.low, raw.high, middle), mean


def _matrix(design: Sequence[_Design], rows: Rows) -> Rows:
    import numpy as np

    return np.hstack([each.columns(rows[:, place]) for place, each in enumerate(design)])


def _lines(design: Sequence[_Design], rows: Rows, weights: Sequence[float], intercept: float) -> Lines:
    terms, base, start = [], intercept, 0
    for place, each in enumerate(design):
        term, mean = each.term(weights[start : start + each.width], rows[:, place])
        start, base = start + each.width, base + mean
        terms.append(term)
    if not math.isfinite(base):
        raise StorageError("The regression did not come to finite coefficients; look for absurd numbers.")
    return Lines(base, tuple(terms))


def _regression(strength: float, columns: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Newton's steps are few; each is dear where there are many columns.
    solver = "newton-cholesky" if columns <= _NARROW else "lbfgs"
    return LogisticRegression(C=strength, max_iter=500, solver=solver)
