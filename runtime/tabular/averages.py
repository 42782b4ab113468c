"""Columns that hold the outcome's own average over groups of rows, each row's own outcome in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.tabular.columns import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.int8]

_FEWEST_GROUPS: Final = 20
_FEWEST_ROWS: Final = 0.5
"""Of a group: its rows times the variance of one outcome."""
_SCATTER: Final = 0.5
"""Share of the scatter that chance brings below which the values have seen the outcomes."""
_CHANCE: Final = 1e-9
_EDGE: Final = 1e-3
_MOST_SPREAD: Final = 20.0


@dataclass(frozen=True, slots=True)
class Average:
    """How little the outcomes of groups scatter around a column's values, 1 being chance."""

    scatter: float
    groups: int
    of: str
    """The column whose values are the groups; "" for the column's own."""


def averaged(column: Column, others: Sequence[Column], outcome: Flags) -> Average | None:
    """Say that a column was made from the outcomes themselves; None when it was not, or it does not show.

    An honest value foresees the share of positives in a group only as well as chance allows; an average that
    the group's own outcomes went into foresees it better.
    """
    if column.kind != "number":
        return None
    for of, groups in _groupings(column, others):
        found = _scatter(column.values, groups, outcome)
        if found is not None:
            return Average(*found, of)
    return None


def _groupings(column: Column, others: Sequence[Column]) -> Iterator[tuple[str, Floats]]:
    """Yield the column's own values, and those of columns that it depends on alone."""
    import numpy as np

    yield "", column.values
    for other in others:
        if other.kind in ("category", "text") and other.levels and len(other.levels) < len(other.values) / 2:
            both = ~(column.missing | other.missing)
            codes, values = other.values[both].astype(np.intp), column.values[both]
            first = np.full(len(other.levels), np.nan)
            first[codes] = values
            if len(values) and np.array_equal(first[codes], values):
                yield other.name, other.values


def _scatter(values: Floats, groups: Floats, outcome: Flags) -> tuple[float, int] | None:
    """Return the scatter of groups around a line, and how many they are; None where chance explains it."""
    import numpy as np
    from scipy.stats import gamma

    there = ~(np.isnan(values) | np.isnan(groups))
    _, first, numbers = np.unique(groups[there], return_index=True, return_inverse=True)
    rows, good = np.bincount(numbers), np.bincount(numbers, weights=outcome[there])
    base = float(outcome.mean())
    taken = rows * base * (1 - base) >= _FEWEST_ROWS
    if taken.sum() < _FEWEST_GROUPS:
        return None
    rows, good, value = rows[taken], good[taken], values[there][first][taken]
    # An average that was drawn towards that of all rows, the more the fewer rows, is a line with these terms.
    terms = np.column_stack([np.ones(len(rows)), value, value / rows, 1 / rows])
    weight = np.sqrt(rows)
    line = np.linalg.lstsq(terms * weight[:, None], good / rows * weight, rcond=None)[0]
    share = np.clip(terms @ line, _EDGE, 1 - _EDGE)
    variance = rows * share * (1 - share)
    found, free = float(((good - rows * share) ** 2 / variance).sum()), len(rows) - terms.shape[1]
    # Each part is 1 on average; its variance is that of a binomial's square, large where rows are few.
    spread = float((2 + 1 / variance).clip(max=_MOST_SPREAD).sum())
    if found > _SCATTER * free or gamma.cdf(found, free**2 / spread, scale=spread / free) > _CHANCE:
        return None
    return found / free, len(rows)
