"""Bringing two rankings together: each is stretched to 0..1 between its worst and its best, then weighed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from runtime.search.rows import Place

Ranked: TypeAlias = Sequence[tuple[Place, float]]
"""Passages with their scores, best first."""

Key = TypeVar("Key", bound=Hashable)


def stretch(scores: Mapping[Key, float]) -> dict[Key, float]:
    """Return the scores mapped to 0..1 (min-max); all 1 when they are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


class Scored(NamedTuple):
    """A passage with its score, and the parts of that by retriever."""

    place: Place
    score: float
    scores: dict[str, float]


def best_parts(ranked: Ranked) -> list[tuple[Place, float]]:
    """Keep of each record only its best part, in the order given (best first)."""
    seen: set[tuple[int, str]] = set()
    kept = []
    for place, score in ranked:
        if place.group not in seen:
            seen.add(place.group)
            kept.append((place, score))
    return kept


def alone(name: str, ranked: Ranked) -> list[Scored]:
    """Return one retriever's ranking as it is."""
    return [Scored(place, score, {name: score}) for place, score in best_parts(ranked)]


def fuse(dense: Ranked, keyword: Ranked, weight: float) -> list[Scored]:
    """Return passages with scores of 0..1, best first; `weight` is the dense share.

    What only one side found has 0 from the other.  A record is ranked once, by the best part each
    side found; it is shown by the part that brings more.
    """
    sides = {"dense": (best_parts(dense), weight), "keyword": (best_parts(keyword), 1.0 - weight)}
    total: dict[tuple[int, str], float] = {}
    shown: dict[tuple[int, str], tuple[float, Place]] = {}
    parts: dict[tuple[int, str], dict[str, float]] = {}
    for name, (ranked, share) in sides.items():
        stretched = stretch({place.group: score for place, score in ranked})
        for place, score in ranked:
            group = place.group
            gain = share * stretched[group]
            total[group] = total.get(group, 0.0) + gain
            parts.setdefault(group, {})[name] = score
            if group not in shown or gain > shown[group][0]:
                shown[group] = (gain, place)
    # Equal scores are ordered by id, so that a search always answers the same.
    order = sorted(total, key=lambda group: (-total[group], shown[group][1].key))
    return [Scored(shown[group][1], total[group], parts[group]) for group in order]
