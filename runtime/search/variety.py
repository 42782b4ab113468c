"""Maximal marginal relevance: hits that say something new come before those that say it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from runtime.search.fusion import stretch

_WORD = re.compile(r"[^\W_]+")

Alike = Callable[[int, int], float]
"""How much alike two of the candidates are, by their places in the order given: 0..1."""


def vary(scores: Sequence[float], alike: Alike, share: float, count: int) -> list[int]:
    """Return the places of the best `count`, each chosen by its score and its distance to those before.

    `share` is what the distance weighs: 0 keeps the order of the scores, 1 forgets them after the first.
    """
    worth = stretch(dict(enumerate(scores)))
    nearest = dict.fromkeys(worth, 0.0)
    chosen: list[int] = []
    while nearest and len(chosen) < count:
        # The first hit is the best one whatever the share: there is nothing yet to be unlike.
        weight = share if chosen else 0.0
        best = max(nearest, key=lambda at: ((1 - weight) * worth[at] - weight * nearest[at], -at))
        del nearest[best]
        chosen.append(best)
        for at in nearest:
            nearest[at] = max(nearest[at], alike(best, at))
    return chosen


def alike_by_words(texts: Sequence[str]) -> Alike:
    """Compare texts by the share of words they have in common (Jaccard)."""
    words = [frozenset(_WORD.findall(text.lower())) for text in texts]
    return lambda one, two: len(words[one] & words[two]) / max(1, len(words[one] | words[two]))
