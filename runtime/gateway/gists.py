"""What was asked before, by its meaning: in memory, so a restart asks anew."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

MOST_GROUPS, MOST_IN_ONE = 2000, 500
"""Groups that are kept, and questions of each; those that nobody asked for longest go first."""

Group = tuple[str, str, bytes]
"""Tenant, candidate, and the hash of all that a request holds beside its last question."""


@dataclass(frozen=True, slots=True)
class Gist:
    """One question: its vector of unit length, the key of its answer, and when that is too old."""

    vector: Any
    key: str
    until: float


class Gists:
    """Questions by group; only questions of one group are ever compared."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._groups: OrderedDict[Group, list[Gist]] = OrderedDict()

    def nearest(self, group: Group, vector: Vector, least: float) -> str | None:
        """Return the key of the answer to the question most alike, None when none is alike enough."""
        now = self._clock()
        alive = [gist for gist in self._groups.get(group, ()) if gist.until > now]
        if not alive:
            self._groups.pop(group, None)
            return None
        self._groups[group] = alive
        self._groups.move_to_end(group)
        best = max(alive, key=lambda gist: float(gist.vector @ vector))
        return best.key if float(best.vector @ vector) >= least else None

    def note(self, group: Group, vector: Vector, key: str, ttl: float) -> None:
        """Take down a question that has an answer for `ttl` seconds."""
        gists = self._groups.setdefault(group, [])
        gists.append(Gist(vector, key, self._clock() + ttl))
        del gists[:-MOST_IN_ONE]
        self._groups.move_to_end(group)
        if len(self._groups) > MOST_GROUPS:
            self._groups.popitem(last=False)
