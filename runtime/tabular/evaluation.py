"""How good probabilities are: on rows left out at random, and on those that came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.tabular.learners import Recipe
from runtime.tabular.together import fifths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.int8]
    Places = NDArray[np.intp]

BEFORE: Final = 20_000
"""Rows that a model of the rolling evaluation is trained on: those just before."""
STEP: Final = 1_000
"""Rows that it then scores, before it is trained again."""
MOST_STEPS: Final = 100
_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """A tenth of the rows, by their probability: what was foreseen on average, and what came."""

    foreseen: float
    came: float
    rows: int


@dataclass(frozen=True, slots=True)
class Quality:
    """What the probabilities of `rows` rows are worth.

    `auc` and `average_precision` say how well they rank, `brier` and `ece` how true they are as numbers;
    `lift` is how many times the average share of positives is found in the best 1, 5, 10, 20 % of rows.
    """

    rows: int
    positives: int
    auc: float
    average_precision: float
    brier: float
    ece: float
    lift: dict[str, float]
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Rolling:
    """How the rolling evaluation went: so many models, each trained on `before` rows, scored `step` rows."""

    before: int
    step: int
    models: int
    quality: Quality


def probabilities(log_odds: Floats) -> Floats:
    """Return the probabilities of log-odds."""
    from scipy.special import expit

    found: Floats = expit(log_odds)
    return found


def judge(foreseen: Floats, outcome: Flags) -> Quality:
    """Measure probabilities against outcomes, which are of both kinds."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    bins = _bins(foreseen, outcome)
    return Quality(
        rows=len(outcome),
        positives=int(outcome.sum()),
        auc=float(roc_auc_score(outcome, foreseen)),
        average_precision=float(average_precision_score(outcome, foreseen)),
        brier=float(brier_score_loss(outcome, foreseen)),
        ece=sum(abs(each.foreseen - each.came) * each.rows for each in bins) / len(outcome),
        lift={f"{share}%": _lift(foreseen, outcome, share / 100) for share in (1, 5, 10, 20)},
        bins=bins,
    )


def foresee_at_random(recipe: Recipe, rows: Floats, outcome: Flags, leads: Places | None = None) -> Floats:
    """Return for each row the probability that a model gives which was trained on the other four fifths."""
    import numpy as np

    foreseen = np.zeros(len(outcome))
    for seen, unseen in fifths(outcome, leads):
        foreseen[unseen] = probabilities(recipe.fit(rows[seen], outcome[seen]).log_odds(rows[unseen]))
    return foreseen


def roll(recipe: Recipe, rows: Floats, outcome: Flags) -> Rolling | None:
    """Train on the rows before, score the next ones, and go on; `rows` are in the order of their time.

    Of a long table the newest steps are taken, of a short one smaller steps.  None when the outcome never
    changes in what is trained on, or scored.
    """
    import numpy as np

    before = BEFORE if len(rows) >= BEFORE + STEP else len(rows) // 2
    step = STEP if before == BEFORE else max(10, len(rows) // 20)
    first = max(before, len(rows) - MOST_STEPS * step)
    foreseen, came, models = [], [], 0
    for start in range(first, len(rows), step):
        known, next_ones = slice(start - before, start), slice(start, start + step)
        if 0 < outcome[known].sum() < before:
            foreseen.append(probabilities(recipe.fit(rows[known], outcome[known]).log_odds(rows[next_ones])))
            came.append(outcome[next_ones])
            models += 1
    if not came or not 0 < sum(int(each.sum()) for each in came) < sum(map(len, came)):
        return None
    return Rolling(before, step, models, judge(np.concatenate(foreseen), np.concatenate(came)))


def _bins(foreseen: Floats, outcome: Flags) -> tuple[Bin, ...]:
    return tuple(
        Bin(float(foreseen[places].mean()), float(outcome[places].mean()), len(places))
        for places in _tenths(foreseen)
    )


def _tenths(foreseen: Floats) -> Iterator[Places]:
    """Yield the places of rows in parts of like size, by their probability; equal ones stay together."""
    import numpy as np

    edges = np.unique(np.quantile(foreseen, np.linspace(0, 1, _BINS + 1)[1:-1]))
    part = np.searchsorted(edges, foreseen, side="right")
    for number in range(len(edges) + 1):
        if len(places := np.flatnonzero(part == number)):
            yield places


def _lift(foreseen: Floats, outcome: Flags, share: float) -> float:
    """Return the share of positives among the best rows over that among all."""
    import numpy as np

    most = max(1, round(share * len(outcome)))
    best = np.argsort(-foreseen, kind="stable")[:most]
    return float(outcome[best].mean() / outcome.mean())
