"""Scores of all items for what users had: by what goes together, by what is popular, by what is alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.recommend.sample import Floats

    Scores = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How much each way of scoring counts, after each was brought to 0 to 1.

    `demand` is whether what goes together counts more where it is asked for more than it used to be.
    """

    name: str
    ease: float = 0.0
    popularity: float = 0.0
    content: float = 0.0
    demand: bool = False


POPULARITY = Recipe("popularity", popularity=1.0)
EASE = Recipe("ease", ease=1.0)
BOTH = Recipe("ease + popularity", ease=1.0, popularity=1.0)
DEMANDED = Recipe("ease by demand", ease=1.0, demand=True)
RECIPES = (
    EASE,
    DEMANDED,
    Recipe("ease + popularity/10", ease=1.0, popularity=0.1),
    Recipe("ease + popularity/3", ease=1.0, popularity=0.3),
    BOTH,
    Recipe("ease + content/3", ease=1.0, content=0.3),
    Recipe("ease + popularity/10 + content/10", ease=1.0, popularity=0.1, content=0.1),
    Recipe("content + popularity", content=1.0, popularity=1.0),
    Recipe("content", content=1.0, popularity=0.001),
    POPULARITY,
)
"""What is tried for users who did something, what is usually best first."""


@dataclass(frozen=True)
class Parts:
    """What scores are made of: weights between items, a popularity, demand and description of each."""

    ease: Any
    popularity: Floats
    demand: Floats
    features: Any

    def one(self, had: Sequence[int], recipe: Recipe) -> Scores:
        """Return the mixed scores for one user who had these items."""
        scores: Scores = np.zeros(len(self.popularity))
        if recipe.ease and had:
            ease = _even(self.ease[had].sum(axis=0)[None])
            scores += recipe.ease * (_even(ease * self.demand) if recipe.demand else ease)[0]
        if recipe.popularity:
            scores += recipe.popularity * self.popularity
        if recipe.content and had:
            scores += recipe.content * _even((self.features @ self.features[had].sum(axis=0))[None])[0]
        return scores / (recipe.ease + recipe.popularity + recipe.content)

    def each(self, histories: Any) -> Each:
        """Return users times items by each way, each user's from 0 to 1.

        `histories` is users times items, sparse, of what each had.
        """
        alike = (histories @ self.features) @ self.features.T
        lately = np.broadcast_to(self.popularity, histories.shape)
        ease = _even(histories @ self.ease)
        return Each(ease, _even(ease * self.demand), lately, _even(alike))


@dataclass(frozen=True, slots=True)
class Each:
    """Scores of users times items by one way each; `demanded` is ease by demand."""

    ease: Scores
    demanded: Scores
    popularity: Scores
    content: Scores


def mixed(each: Each, recipe: Recipe) -> Scores:
    """Return scores from 0 to 1 that are made of several as a recipe says."""
    weights = recipe.ease, recipe.popularity, recipe.content
    ways = each.demanded if recipe.demand else each.ease, each.popularity, each.content
    parts = [weight * scores for weight, scores in zip(weights, ways, strict=True) if weight]
    total: Scores = sum(parts[1:], parts[0])
    return total / sum(weights)


def _even(scores: Any) -> Scores:
    """Bring each row to 0 to 1; what is below 0 is as good as 0."""
    dense = scores.toarray() if hasattr(scores, "toarray") else scores
    kept: Scores = np.maximum(dense, 0.0)
    even: Scores = kept / np.maximum(kept.max(axis=1, keepdims=True, initial=0.0), 1e-12)
    return even
