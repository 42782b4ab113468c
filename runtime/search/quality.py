"""How good a ranking is, judged by labels: nDCG, recall, reciprocal rank, and how sure a mean is."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from statistics import fmean

RESAMPLES = 1_000


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], top: int = 10) -> float:
    """Return nDCG of document ids, each there once; a grade is its own gain, as trec_eval and BEIR count."""
    best = _gain(sorted(grades.values(), reverse=True)[:top])
    return _gain([grades.get(id, 0) for id in ranked[:top]]) / best if best else 0.0


def recall(ranked: Sequence[str], grades: Mapping[str, int], top: int) -> float:
    """Return the share of the relevant documents among the first `top`."""
    relevant = {id for id, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:top])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    """Return 1 / the rank of the first relevant document; 0 when there is none."""
    return next((1 / rank for rank, id in enumerate(ranked, start=1) if grades.get(id, 0) > 0), 0.0)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return between which bounds the mean lies with 95 %: bootstrap over the queries, always the same."""
    chance = random.Random(0)  # noqa: S311 - a bootstrap
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]


def _gain(grades: Sequence[int]) -> float:
    return math.fsum(grade / math.log2(rank + 2) for rank, grade in enumerate(grades))
