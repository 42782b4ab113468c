"""The business's own rules for a list: what is never in it, what comes first, how varied it is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from runtime.errors import InvalidInput
from runtime.graphs.condition_mistakes import ConditionMistake
from runtime.graphs.conditions import Condition, compile_condition
from runtime.graphs.fields import Field
from runtime.types import CatalogueItem

_PAGE = 50
"""Items that are looked at first; twice as many the next time."""
_POOL = 500
"""Candidates that a varied list is chosen from, at most."""
_FIELDS = {"item": Field("item", "object")}

Fetch = Callable[[Sequence[str]], Awaitable[Sequence[CatalogueItem]]]
Candidate = tuple[float, CatalogueItem]


@lru_cache(maxsize=256)
def compile_filter(text: str) -> Condition:
    """Return a condition on `item`, such as item.price < 20; InvalidInput when it is none."""
    try:
        return compile_condition(text, _FIELDS)
    except ConditionMistake as mistake:
        advice = f"; {mistake.help}" if mistake.help else ""
        raise InvalidInput(f"the filter {text[:80]!r} is no condition: {mistake}{advice}") from None


@dataclass(frozen=True, slots=True)
class Rules:
    """`block` are ids, `boost` factors by tag, `diversity` from 0 (the best) to 1 (the most unlike)."""

    block: frozenset[str] = frozenset()
    boost: Mapping[str, float] = field(default_factory=dict)
    condition: Condition | None = None
    diversity: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether no rule asks what an item is."""
        return not self.boost and self.condition is None and not self.diversity

    @property
    def most(self) -> float:
        """The largest factor that an item can be boosted by."""
        return math.prod(max(1.0, factor) for factor in self.boost.values())

    def judge(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return those that are allowed, with their scores as the rules have them."""
        return [(score * self.factor(item), item) for score, item in candidates if self.allow(item)]

    def factor(self, item: CatalogueItem) -> float:
        """Return what an item's score is multiplied with."""
        return math.prod(self.boost[tag] for tag in set(item.tags) if tag in self.boost)

    def allow(self, item: CatalogueItem) -> bool:
        """Whether an item may be in the list; not one that was deleted, or whose field is missing."""
        if item.deleted:
            return False
        return self.condition is None or self.condition.holds({"item": dict(item.fields)})[0]


async def pick(ranked: Sequence[tuple[str, float]], k: int, rules: Rules, fetch: Fetch) -> list[Candidate]:
    """Return the best `k` under the rules, best first, of ids with scores that are in order.

    As if every item had been looked at, though only as many are fetched as can matter.
    """
    wanted = k if not rules.diversity else min(4 * k + 20, _POOL + k)
    found, place, page = list[Candidate](), 0, k if rules.plain else max(_PAGE, wanted)
    while place < len(ranked):
        part = ranked[place : place + page]
        place, page = place + page, 2 * page
        items = {item.id: item for item in await fetch([id for id, _ in part])}
        known = [(score, items.get(id) or CatalogueItem(id)) for id, score in part]
        # Conditions take their time, and others wait for the loop.
        found += (
            [each for each in known if rules.allow(each[1])]
            if rules.plain
            else await asyncio.to_thread(rules.judge, known)
        )
        left = ranked[place][1] * rules.most if place < len(ranked) else 0.0
        if sum(score >= left for score, _ in found) >= wanted:
            break
    found.sort(key=lambda each: -each[0])
    if rules.diversity:
        return await asyncio.to_thread(_varied, found[:wanted], k, rules.diversity)
    return found[:k]


def _varied(candidates: Sequence[Candidate], k: int, diversity: float) -> list[Candidate]:
    """Return `k` by maximal marginal relevance: each as good as it can be and unlike those before it."""
    scale = max((score for score, _ in candidates), default=0.0) or 1.0
    worth = [(1 - diversity) * score / scale for score, _ in candidates]
    tags = [frozenset(item.tags) for _, item in candidates]
    like = [0.0] * len(candidates)
    left, chosen = set(range(len(candidates))), list[Candidate]()
    while left and len(chosen) < k:
        best = max(left, key=lambda place: (worth[place] - diversity * like[place], -place))
        left.remove(best)
        chosen.append((worth[best] - diversity * like[best], candidates[best][1]))
        for place in left:
            like[place] = max(like[place], _alike(tags[place], tags[best]))
    return chosen


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0
