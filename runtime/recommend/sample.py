"""Events as arrays: who turned to what, when, the oldest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """`user[i]` turned to `item[i]` at `at[i]` (Unix seconds); both are numbers of `users` and `items`.

    A user's way to an item is there once, with its last time; the rows are in the order of time.
    """

    users: Sequence[str]
    items: Sequence[str]
    user: Whole
    item: Whole
    at: Floats

    def __len__(self) -> int:
        return len(self.at)

    def rows(self, chosen: Any) -> Sample:
        """Return some of the rows, with the same users and items."""
        return Sample(self.users, self.items, self.user[chosen], self.item[chosen], self.at[chosen])

    def matrix(self) -> Any:
        """Return users times items as a sparse matrix of ones."""
        from scipy.sparse import csr_array

        shape = len(self.users), len(self.items)
        return csr_array((np.ones(len(self), np.float32), (self.user, self.item)), shape=shape)


def sample_of(events: Iterable[tuple[str, str, float]], most_items: int) -> Sample:
    """Return the events (user, item, time) of the items that most users turned to, at most so many."""
    last: dict[tuple[str, str], float] = {}
    for user, item, at in events:
        if last.get((user, item), -1.0) < at:
            last[user, item] = at
    counted = Counter(item for _, item in last)
    items = [item for item, _ in counted.most_common(most_items)]
    numbers = {item: number for number, item in enumerate(items)}
    kept = sorted((at, user, numbers[item]) for (user, item), at in last.items() if item in numbers)
    users = list(dict.fromkeys(user for _, user, _ in kept))
    who = {user: number for number, user in enumerate(users)}
    return Sample(
        users,
        items,
        np.array([who[user] for _, user, _ in kept], np.int64),
        np.array([item for _, _, item in kept], np.int64),
        np.array([at for at, _, _ in kept], np.float64),
    )
