"""How the values of a feature are spread over bins, in training, and how far that has shifted since."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from runtime.tabular.schema import Feature, Schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]

BINS: Final = 10
WINDOW: Final = 1_000
"""Scored rows that are looked back on."""
ENOUGH: Final = 200
"""Rows from which a shift is more than chance."""
SHIFTING: Final = 0.10
SHIFTED: Final = 0.25
"""The customary bounds of the population stability index."""
_EVERY: Final = 20
"""Rows after which it is measured again."""
_SMALLEST: Final = 1e-3
"""A share of 0 would make the index endless."""
_MOST_LEVELS: Final = 20
"""Levels of a category that have a bin of their own; rare ones would be noise."""


def with_spread(feature: Feature, values: NDArray[np.float64]) -> Feature:
    """Return the feature with the edges of its bins and the share of rows in each."""
    import numpy as np

    there = values[~np.isnan(values)]
    edges: tuple[float, ...] = ()
    if feature.kind != "category" and len(there):
        found = np.unique(np.quantile(there, np.linspace(0, 1, BINS + 1)[1:-1]))
        edges = tuple(float(edge) for edge in found)
    cut = dataclasses.replace(feature, edges=edges)
    counts = np.bincount(bins_of(cut, values), minlength=_width(cut))
    return dataclasses.replace(cut, shares=tuple(float(each) for each in counts / len(values)))


def bins_of(feature: Feature, values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the bin of each value: 0 for none."""
    import numpy as np

    if feature.kind == "category":
        # Levels are in the order of how common they are.
        codes = np.minimum(np.nan_to_num(values, nan=-1.0), _MOST_LEVELS)
        return codes.astype(np.intp) + 1
    found = np.searchsorted(np.asarray(feature.edges), values, side="right") + 1
    return np.where(np.isnan(values), 0, found).astype(np.intp)


def bin_of(feature: Feature, value: float) -> int:
    """Return the bin of one value, as `bins_of` does and many times quicker."""
    if math.isnan(value):
        return 0
    if feature.kind == "category":
        return min(int(value), _MOST_LEVELS) + 1
    return bisect_right(feature.edges, value) + 1


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """How far the rows scored of late are from those of training; `psi` is None until there are enough."""

    psi: float | None
    feature: str
    rows: int

    @property
    def level(self) -> str:
        """What it is called: gathering, stable, shifting or shifted."""
        if self.psi is None:
            return "gathering"
        return "stable" if self.psi < SHIFTING else "shifting" if self.psi < SHIFTED else "shifted"


class Window:
    """The bins of the rows that were scored last; adding one costs microseconds.  For one thread."""

    def __init__(self, schema: Schema) -> None:
        import numpy as np

        features = schema.features
        self._features = features
        self._offsets = np.cumsum([0, *(_width(feature) for feature in features)])[:-1]
        shares = [share for feature in features for share in feature.shares]
        self._expected = np.maximum(np.array(shares), _SMALLEST)
        self._counts = np.zeros(len(shares))
        self._ring = np.zeros((WINDOW, len(features)), dtype=np.uint16)
        self._seen = 0
        self.drift = Drift(None, "", 0)

    def add(self, row: NDArray[np.float64]) -> Drift:
        """Take one row in, the oldest out; returns the drift, measured every few rows."""
        import numpy as np

        places = self._offsets + [bin_of(*each) for each in zip(self._features, row.tolist(), strict=True)]
        spot = self._seen % WINDOW
        if self._seen >= WINDOW:
            self._counts[self._ring[spot]] -= 1
        self._ring[spot] = places
        self._counts[places] += 1
        self._seen += 1
        rows = min(self._seen, WINDOW)
        if rows < ENOUGH or (self._seen % _EVERY and self.drift.psi is not None):
            self.drift = dataclasses.replace(self.drift, rows=rows)
            return self.drift
        actual = np.maximum(self._counts / rows, _SMALLEST)
        parts = (actual - self._expected) * np.log(actual / self._expected)
        each = np.add.reduceat(parts, self._offsets)
        worst = int(each.argmax())
        self.drift = Drift(float(each[worst]), self._features[worst].name, rows)
        return self.drift


def _width(feature: Feature) -> int:
    """Return how many bins there are, the one of no value included."""
    if feature.kind == "category":
        return min(len(feature.levels), _MOST_LEVELS + 1) + 1
    return len(feature.edges) + 2
