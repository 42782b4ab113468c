"""From events to models: everything is tried on the newest tenth of them, and what wins is fitted to all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from runtime.recommend.content import describe, neighbours, vocabulary
from runtime.recommend.ease import broad_tastes, fit_ease
from runtime.recommend.evaluation import BACK, BUCKETS, Task, cut, histories, means, ndcg, tasks_of, together
from runtime.recommend.popularity import demand, popularity
from runtime.recommend.scoring import BOTH, DEMANDED, EASE, POPULARITY, RECIPES, Parts, Recipe, mixed

if TYPE_CHECKING:
    from runtime.recommend.sample import Sample
    from runtime.recommend.scoring import Scores
    from runtime.types import CatalogueItem

K = TypeVar("K", bound=Hashable)

NEWEST = 0.1
"""The share of the events that everything is tried on."""
RIDGES = (400.0, 120.0, 1200.0, 30.0)
HALF_LIVES = (14.0, 60.0, 3.0, None)
SHARES = (1.0, 0.5, 0.25)
"""How much of what is expected of an item that nobody has turned to yet counts."""
ENOUGH = 20
"""Users of a bucket from which on their tasks decide; fewer leave it to those of all."""
_SEED = 11
_SURE = 2.0
_USUAL = {0: POPULARITY, 1: BOTH, 5: EASE, 20: EASE, BACK: DEMANDED}


@dataclass(frozen=True)
class Choice:
    """What won: numbers of the models, and a recipe for users who had at least so many items.

    `half_life` is in days, None when users of long ago count as much as others.
    """

    ridge: float = RIDGES[0]
    half_life: float | None = HALF_LIVES[0]
    share: float = SHARES[0]
    recipes: Mapping[int, Recipe] = field(default_factory=lambda: dict(_USUAL))


@dataclass(frozen=True)
class Trial:
    """One thing that was tried, and its NDCG@10 for users who had at least so many items."""

    name: str
    scores: Mapping[int, float]


@dataclass(frozen=True)
class Comparison:
    """What was tried and what won.

    `users` counts who was asked about in each bucket; `ndcg` is that of what was chosen over all of them,
    None when there were too few to compare.
    """

    choice: Choice
    trials: Sequence[Trial] = ()
    users: Mapping[int, int] = field(default_factory=dict)
    ndcg: float | None = None


def fit(sample: Sample, catalogue: Mapping[str, CatalogueItem], choice: Choice) -> Parts:
    """Fit every model to a sample."""
    items = [catalogue.get(id) for id in sample.items]
    features = describe(items, vocabulary(list(catalogue.values())))
    matrix, life = sample.matrix(), choice.half_life
    weights = fit_ease(matrix, choice.ridge) + broad_tastes(matrix)
    return Parts(weights, popularity(sample, life), demand(sample, life), features)


def compare(sample: Sample, catalogue: Mapping[str, CatalogueItem]) -> Comparison:
    """Try everything on the newest events; where they are too few, what is usually best is chosen."""
    before, after = cut(sample, NEWEST)
    tasks = tasks_of(before, after, midway=True)
    if len(tasks) < ENOUGH or not len(before):
        return Comparison(Choice())
    return _Trials(before, tasks).compare(catalogue)


class _Trials:
    """Tries on tasks what was fitted to what happened before."""

    def __init__(self, before: Sample, tasks: Sequence[Task]) -> None:
        self._before, self._tasks = before, tasks
        self._trials = list[Trial]()

    def compare(self, catalogue: Mapping[str, CatalogueItem]) -> Comparison:
        choice = Choice(self._ridge(), self._half_life())
        fitted = fit(self._before, catalogue, choice)
        recipes = self._recipes(fitted)
        share, reached = self._share(fitted, recipes)
        users = {bucket: sum(self._are([bucket])) for bucket in BUCKETS}
        return Comparison(replace(choice, share=share, recipes=recipes), self._trials, users, reached)

    def _half_life(self) -> float | None:
        """Choose by users who had nothing: it is for them above all."""
        lately = {life: popularity(self._before, life) for life in HALF_LIVES}
        values = self._values(
            lambda had, _: {life: np.broadcast_to(each, had.shape) for life, each in lately.items()}
        )
        self._note(self._tasks, values, lambda life: f"popularity, {_days(life)}")
        return _best(values, self._are([0]))

    def _ridge(self) -> float:
        """Choose by a hidden tenth of everybody's items: it is about what goes together, at any time."""
        hidden = np.random.default_rng(_SEED).random(len(self._before)) < NEWEST
        kept = self._before.rows(~hidden)
        tasks = tasks_of(kept, self._before.rows(hidden), midway=False)
        weights = {ridge: fit_ease(kept.matrix(), ridge) for ridge in RIDGES}
        values = _values(
            tasks, len(kept.items), lambda had, _: {each: had @ weights[each] for each in weights}
        )
        self._note(tasks, values, lambda ridge: f"ease, ridge {ridge:g}, on a hidden tenth")
        return _best(values, [bool(task.bucket) for task in tasks])

    def _recipes(self, fitted: Parts) -> Mapping[int, Recipe]:
        def scores(had: Any, _: Sequence[Task]) -> Mapping[Recipe, Scores]:
            each = fitted.each(had)
            return {recipe: mixed(each, recipe) for recipe in RECIPES}

        values = self._values(scores)
        self._note(self._tasks, values, lambda recipe: recipe.name)
        overall, found = _best(values, self._are(BUCKETS[1:])), dict(_USUAL)
        for bucket in BUCKETS[1:]:
            usual, own = _USUAL[bucket], self._are([bucket])
            if sum(own) >= ENOUGH:
                found[bucket] = _best({usual: values[usual], **values}, own)
            elif overall is not EASE:
                found[bucket] = overall
        return found

    def _share(self, fitted: Parts, recipes: Mapping[int, Recipe]) -> tuple[float, float]:
        """Choose how much counts what is expected of items that were new in the newest events."""
        new = np.bincount(self._before.item, minlength=len(self._before.items)) == 0
        expected = neighbours(fitted.features[new], fitted.features[~new])

        def scores(had: Any, some: Sequence[Task]) -> Mapping[float, Scores]:
            known = by_bucket(fitted, had, [task.bucket for task in some], recipes)
            strange = (expected @ known[:, ~new].T).T
            return {share: _put(known, new, share * strange) for share in SHARES}

        values = self._values(scores)
        self._note(self._tasks, values, lambda share: f"what was chosen, new items by {share:g}")
        best = _best(values, [True] * len(self._tasks))
        return best, float(np.mean(values[best]))

    def _values(self, score: Callable[[Any, Sequence[Task]], Mapping[K, Any]]) -> dict[K, list[float]]:
        return _values(self._tasks, len(self._before.items), score)

    def _note(
        self, tasks: Sequence[Task], values: Mapping[K, Sequence[float]], name: Callable[[K], str]
    ) -> None:
        self._trials += [Trial(name(each), means(tasks, found)) for each, found in values.items()]

    def _are(self, buckets: Sequence[int]) -> list[bool]:
        return [task.bucket in buckets for task in self._tasks]


def by_bucket(parts: Parts, had: Any, buckets: Sequence[int], recipes: Mapping[int, Recipe]) -> Scores:
    """Return scores, of each user by the recipe for users who had as many items."""
    scores, each = np.zeros(had.shape), parts.each(had)
    for bucket in set(buckets):
        rows = np.array([one == bucket for one in buckets])
        scores[rows] = mixed(each, recipes[bucket])[rows]
    return scores


def _values(
    tasks: Sequence[Task], items: int, score: Callable[[Any, Sequence[Task]], Mapping[K, Any]]
) -> dict[K, list[float]]:
    """Return the NDCG@10 of every task for each thing that `score` gives scores of."""
    found: dict[K, list[float]] = {}
    for some in together(tasks):
        for name, scores in score(histories(some, items), some).items():
            found.setdefault(name, []).extend(ndcg(some, scores))
    return found


def _best(values: Mapping[K, Sequence[float]], counted: Sequence[bool]) -> K:
    """Return the first one, unless another is better by more than chance explains: two standard errors.

    Over the tasks that count, or over all where none does.
    """
    mask = np.array(counted) if any(counted) else np.ones(len(counted), bool)
    first, *others = values
    known = np.asarray(values[first])[mask]
    best = max(others, key=lambda each: float(np.asarray(values[each])[mask].mean()))
    gains = np.asarray(values[best])[mask] - known
    return best if gains.mean() > _SURE * gains.std() / np.sqrt(len(gains)) else first


def _put(scores: Scores, columns: Any, values: Any) -> Scores:
    changed = scores.copy()
    changed[:, columns] = values
    return changed


def _days(half_life: float | None) -> str:
    return "all alike" if half_life is None else f"half-life {half_life:g} days"
