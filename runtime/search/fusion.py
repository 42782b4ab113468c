"""Bringing two rankings together: each is stretched to 0..1 between its worst and its best, then weighed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from runtime.search.rows import Row

Key = TypeVar("Key", bound=Hashable)


def stretch(scores: Mapping[Key, float]) -> dict[Key, float]:
    """Return the scores mapped to 0..1 (min-max); all 1 when they are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def best_parts(ranked: Sequence[tuple[Row, float]]) -> list[tuple[Row, float]]:
    """Keep of each record only its best part, in the order given (best first)."""
    seen: set[tuple[int, str]] = set()
    kept = []
    for row, score in ranked:
        if row.group not in seen:
            seen.add(row.group)
            kept.append((row, score))
    return kept


def fuse(
    dense: Sequence[tuple[Row, float]], keyword: Sequence[tuple[Row, float]], weight: float
) -> list[tuple[Row, float, dict[str, float]]]:
    """Return (passage, score 0..1, its scores by retriever), best first.

    What only one side found has 0 from the other.  A record is ranked once, by the best part each
    side found; it is shown by the part that brings more.
    """
    sides = {"dense": (best_parts(dense), weight), "keyword": (best_parts(keyword), 1.0 - weight)}
    total: dict[tuple[int, str], float] = {}
    shown: dict[tuple[int, str], tuple[float, Row]] = {}
    parts: dict[tuple[int, str], dict[str, float]] = {}
    for name, (ranked, share) in sides.items():
        stretched = stretch({row.group: score for row, score in ranked})
        for row, score in ranked:
            gain = share * stretched[row.group]
            total[row.group] = total.get(row.group, 0.0) + gain
            parts.setdefault(row.group, {})[name] = score
            if row.group not in shown or gain > shown[row.group][0]:
                shown[row.group] = (gain, row)
    # Equal scores are ordered by id, so that a search always answers the same.
    order = sorted(total, key=lambda group: (-total[group], shown[group][1].key))
    return [(shown[group][1], total[group], parts[group]) for group in order]
