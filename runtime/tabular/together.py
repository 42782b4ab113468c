"""Rows that belong together, so that one of them in training tells of the other in testing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from runtime.tabular.columns import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.int8]
    Places = NDArray[np.intp]

FOLDS: Final = 5
_FEWEST_COPIES: Final = 20
_BY_CHANCE: Final = 0.25
"""Share of the differing outcomes that chance would bring below which equal rows are copies of one lead."""


def together(
    columns: Sequence[Column], outcome: Flags, repeated: Mapping[str, int]
) -> tuple[Places | None, list[str]]:
    """Return for each row the number of its lead, None where each has its own; and what should be said.

    Rows are of one lead by an id that repeats, or because they are copies of each other.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys = [_numbered(column.values[:, None]) for column in columns if column.name in repeated]
    notes = [f"{name} repeats in {count:,} rows" for name, count in repeated.items()]
    equal = [column.values for column in columns if column.kind not in ("id", "constant")]
    if equal and (copies := _copies(_numbered(np.column_stack(equal)), outcome)) is not None:
        keys.append(copies)
        notes.append(
            f"{len(copies) - int(copies.max()) - 1:,} rows are copies of others, but for an id or time"
        )
    if not keys:
        return None, []
    rows = len(outcome)
    offsets = np.cumsum([rows, *(int(key.max()) + 1 for key in keys)])
    ends = np.concatenate([key + offset for key, offset in zip(keys, offsets, strict=False)])
    starts = np.tile(np.arange(rows), len(keys))
    links = coo_array((np.ones(len(ends), dtype=np.int8), (starts, ends)), shape=(offsets[-1], offsets[-1]))
    leads = _numbered(connected_components(links, directed=False)[1][:rows, None].astype(np.float64))
    if min(len(np.unique(leads[outcome == value])) for value in (0, 1)) < FOLDS:
        said = "with one lead in both training and testing, the figures at random are too good"
        return None, [f"{note}: {said}" for note in notes]
    return leads, [
        f"{note}: they were kept on one side when the figures at random were measured" for note in notes
    ]


def fifths(outcome: Flags, leads: Places | None) -> Iterator[tuple[Places, Places]]:
    """Yield, for each fifth of the rows, the others and it; rows of one lead are in the same."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    if leads is None:
        yield from StratifiedKFold(FOLDS, shuffle=True, random_state=1).split(outcome, outcome)
        return
    shuffled = np.random.default_rng(1).permutation(int(leads.max()) + 1)
    good = np.bincount(leads, weights=outcome)[shuffled] > 0
    fold = np.empty(len(shuffled), dtype=np.intp)
    # Leads that bought are dealt out first, so that every fifth has as many.
    fold[shuffled[np.argsort(~good, kind="stable")]] = np.arange(len(shuffled)) % FOLDS
    for number in range(FOLDS):
        yield np.flatnonzero(fold[leads] != number), np.flatnonzero(fold[leads] == number)


def _numbered(rows: NDArray[np.float64]) -> Places:
    """Return the number of each row among the different ones; rows without any value are all different."""
    import numpy as np

    _, numbers = np.unique(np.nan_to_num(rows, nan=-1e300), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1).astype(np.intp)
    empty = np.isnan(rows).all(axis=1)
    numbers[empty] = numbers.max() + 1 + np.arange(int(empty.sum()))
    _, dense = np.unique(numbers, return_inverse=True)
    return dense.reshape(-1).astype(np.intp)


def _copies(numbers: Places, outcome: Flags) -> Places | None:
    """Return the numbers of equal rows where they are copies: their outcomes differ less than by chance."""
    import numpy as np

    sizes, good = np.bincount(numbers), np.bincount(numbers, weights=outcome)
    more = int((sizes - 1).sum())
    share = float(outcome.mean())
    differing = float(np.minimum(good, sizes - good).sum())
    by_chance = 2 * share * (1 - share) * more
    if more < _FEWEST_COPIES or differing > _BY_CHANCE * by_chance:
        return None
    return numbers
