"""From fitted models and what one user did to a ranking of items, each with why it is there."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from runtime.types import CatalogueItem, Interaction

if TYPE_CHECKING:
    from runtime.recommend.fitted import Fitted

LONGEST = 5000
"""Items of a ranking."""
_KEPT = 16
"""Tenants whose models a process holds."""
_QUICK = 500_000
"""Weights that are summed up within half a millisecond."""
_AWAY = 86_400.0
"""Seconds between the first and the last of what somebody did who came back."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a user had, the newest first, and what that user does not want to see."""

    had: Sequence[str]
    dismissed: frozenset[str]
    kinds: Mapping[str, str]
    """What the user did last with each item."""
    back: bool = False
    """Whether the user was there more than once."""


def came_back(first: float, last: float) -> bool:
    """Whether somebody who began and ended then was there more than once."""
    return bool(last - first > _AWAY)


def past_of(history: Sequence[Interaction]) -> Past:
    """Read a history, the newest first; what was dismissed and turned to again later is wanted."""
    kinds: dict[str, str] = {}
    for event in history:
        kinds.setdefault(event.item, event.kind)
    had = [item for item, kind in kinds.items() if kind != "dismiss"]
    times = [event.at for event in history if event.kind != "dismiss"]
    back = bool(times) and came_back(times[-1], times[0])
    return Past(had, frozenset(kinds) - frozenset(had), kinds, back)


class Models:
    """The models of files, read once until a file is another one."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, tuple[tuple[int, int], Ranker]] = OrderedDict()
        self._loading = asyncio.Lock()

    async def get(self, file: str) -> Ranker:
        """Return what ranks by a file; StorageError when it cannot be read."""
        stamp = _stamp(file)
        if found := self._fresh(file, stamp):
            return found
        async with self._loading:
            if found := self._fresh(file, stamp):
                return found
            made = await asyncio.to_thread(_load, file)
            self._loaded[file] = stamp, made
            while len(self._loaded) > _KEPT:
                self._loaded.popitem(last=False)
            return made

    def _fresh(self, file: str, stamp: tuple[int, int]) -> Ranker | None:
        known = self._loaded.get(file)
        if known is None or known[0] != stamp:
            return None
        self._loaded.move_to_end(file)
        return known[1]


def _stamp(file: str) -> tuple[int, int]:
    about = Path(file).stat()
    return about.st_mtime_ns, about.st_ino


def _load(file: str) -> Ranker:
    from runtime.recommend.fitted import load

    return Ranker(load(Path(file)))


class Ranked(Sequence[tuple[str, float]]):
    """Ids with their scores, best first; they are looked up when they are asked for."""

    def __init__(self, ids: Sequence[str], order: Any, scores: Any) -> None:
        self._ids, self._order, self._scores = ids, order, scores

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> tuple[str, float]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[str, float]]: ...
    def __getitem__(self, place: int | slice) -> tuple[str, float] | list[tuple[str, float]]:
        if isinstance(place, slice):
            return [(self._ids[one], float(self._scores[one])) for one in self._order[place].tolist()]
        one = int(self._order[place])
        return self._ids[one], float(self._scores[one])


class Ranker:
    """Ranks by models of one tenant.  `rank` computes: call it in a thread, unless it is `quick`."""

    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self._strange: tuple[Any, Any] = (None, None)
        self._asked: tuple[Past | None, list[int]] = (None, [])

    def rank(self, past: Past, new: Sequence[CatalogueItem], hidden: frozenset[str]) -> Ranked:
        """Return ids and scores, best first, but those that are hidden; `new` came after the fit."""
        import numpy as np

        fitted = self.fitted
        scores, ids = fitted.score(self._known(past), past.back), fitted.items
        if new:
            expected = self._expected(new) @ scores[: len(fitted.users)]
            scores = np.concatenate([scores, fitted.share * expected])
            ids = [*ids, *(item.id for item in new)]
        scores[[fitted.place[id] for id in hidden if id in fitted.place]] = -1.0
        best = np.argsort(-scores, kind="stable")[:LONGEST]
        return Ranked(ids, best[scores[best] >= 0], scores)

    def quick(self, past: Past, new: Sequence[object]) -> bool:
        """Whether ranking takes less time than a thread does."""
        return not new and len(past.had) * len(self.fitted.items) < _QUICK

    def _known(self, past: Past) -> list[int]:
        """Return the numbers of what somebody had; it is asked for three times in a row."""
        asked, known = self._asked
        if asked is not past:
            known = self.fitted.known(past.had)
            self._asked = past, known
        return known

    def strange(self, ids: Sequence[str]) -> list[str]:
        """Return those ids that the models do not know."""
        return [id for id in ids if id not in self.fitted.place]

    def _expected(self, strange: Sequence[CatalogueItem]) -> Any:
        """Return what is expected of items that came after the fit, worked out once."""
        key = [(item.id, item.title, tuple(item.tags)) for item in strange]
        if self._strange[0] != key:
            self._strange = key, self.fitted.expect(strange)
        return self._strange[1]

    def reasons(self, past: Past, items: Sequence[str]) -> dict[str, list[str]]:
        """Return for each item those of the past that speak most for it."""
        fitted = self.fitted
        had = self._known(past)
        if not fitted.recipe(had, past.back).ease:
            return {item: [] for item in items}
        places = [fitted.place.get(item, len(fitted.items)) for item in items]
        speak = fitted.reasons(had, places)
        return {item: [fitted.items[one] for one in each] for item, each in zip(items, speak, strict=True)}

    def title(self, item: str) -> str:
        """Return what people call an item: its title when the models were fitted, else its id."""
        place = self.fitted.place.get(item)
        return item if place is None else self.fitted.titles[place] or item

    def users(self, item: str) -> int:
        """Return how many users turned to an item; 0 of one that is new."""
        place = self.fitted.place.get(item, len(self.fitted.users))
        return int(self.fitted.users[place]) if place < len(self.fitted.users) else 0

    def method(self, past: Past) -> str:
        """Say by what somebody with this past is recommended to."""
        return self.fitted.recipe(self._known(past), past.back).name
