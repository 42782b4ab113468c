"""Scoring leads with a trained model: a probability, the reasons that add up to it, and what to mind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runtime.tabular.encoding import Encoder
from runtime.tabular.learners import Learner, load_learner
from runtime.tabular.schema import Feature, Schema, read_schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST: Final = 80
_BITS: Final = 63
"""A larger whole number is no JSON that everybody reads."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature adds to the log-odds of a lead; `sentence` says it in times of the odds."""

    feature: str
    value: Any
    contribution: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A lead's score.  `base` and the contributions of all `reasons` are together `log_odds`."""

    probability: float
    percentile: float
    log_odds: float
    base: float
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    row: NDArray[np.float64]
    """The lead as the model saw it."""


class TrainedModel:
    """A model that `hubbub train` wrote, in memory.  Scoring one lead takes about a millisecond of CPU."""

    def __init__(self, schema: Schema, learner: Learner) -> None:
        import numpy as np

        self.schema = schema
        self._learner = learner
        self._encoder = Encoder(schema)
        self._percentiles = np.array(schema.percentiles)

    def score(self, item: Mapping[str, Any], reasons: int) -> Scored:
        """Score one lead, with its `reasons` largest reasons and one for all others.

        InvalidInput when it has none of the model's features.
        """
        encoded = self._encoder.encode(item)
        parts = self._learner.contributions(encoded.row[None, :])[0]
        log_odds = float(parts.sum())
        probability = 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0
        return Scored(
            probability=probability,
            percentile=self._percentile(probability),
            log_odds=log_odds,
            base=float(parts[-1]),
            reasons=tuple(_reasons(self.schema.features, item, parts[:-1], reasons)),
            warnings=encoded.warnings,
            row=encoded.row,
        )

    def _percentile(self, probability: float) -> float:
        """Return how many of a hundred leads score lower."""
        import numpy as np

        below = int(np.searchsorted(self._percentiles, probability, side="left"))
        return round(100 * min(1.0, below / (len(self._percentiles) - 1)), 1)


def load_model(folder: Path) -> TrainedModel:
    """Read a version's folder; StorageError when it is none, or damaged."""
    schema = read_schema(folder)
    return TrainedModel(schema, load_learner(schema, folder))


def _reasons(
    features: Sequence[Feature], item: Mapping[str, Any], parts: NDArray[np.float64], most: int
) -> Iterator[Reason]:
    """Yield the largest parts first, then the sum of the rest."""
    ranked = abs(parts).argsort(kind="stable")[::-1].tolist()
    for place in ranked[:most]:
        name, part = features[place].name, float(parts[place])
        value = item.get(name)
        yield Reason(name, _plain(value), part, f"{name} {_is(value)}, which {_moves(part)}.")
    if rest := ranked[most:]:
        part = float(parts[rest].sum())
        named = f"The other {len(rest)} features together" if len(rest) > 1 else "The other feature"
        moves = _moves(part) if len(rest) == 1 else _moves(part).replace("s the odds", " the odds", 1)
        yield Reason("other", None, part, f"{named} {moves}.")


def _is(value: Any) -> str:
    text = " ".join(str(value).split()) if value is not None else ""
    if not text:
        return "is missing"
    return f"is {text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'}"


def _moves(part: float) -> str:
    """Say what a contribution does to the odds."""
    times = math.exp(min(50.0, abs(part)))
    if times < 1.005:
        return "leaves the odds as they are"
    return f"{'raises' if part > 0 else 'lowers'} the odds by the factor {times:.2f}"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > _BITS:
        return str(value)[:_LONGEST]
    return value if isinstance(value, str | int | float | None) else str(value)
