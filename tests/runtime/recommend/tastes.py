"""A made-up set of events: users like the items of one kind, some items more than others."""

from __future__ import annotations

import numpy as np

from runtime.recommend.sample import Sample, sample_of
from runtime.types import CatalogueItem

DAY = 86_400.0
KINDS = ("tea", "rice", "salt")


def events(users: int = 150, items: int = 90, each: int = 12, seed: int = 1) -> list[tuple[str, str, float]]:
    """Return (user, item, time): nine of ten are of the user's own kind, each user comes for an hour."""
    random = np.random.default_rng(seed)
    popular = random.gumbel(size=items)
    kind = np.arange(items) % len(KINDS)
    found = []
    for user in range(users):
        liked = popular + 3.0 * (kind == user % len(KINDS)) + random.gumbel(size=items)
        begins = random.random() * 100 * DAY
        for place, item in enumerate(random.permutation(np.argsort(-liked)[:each])):
            found.append((f"user {user}", f"item {item}", 1.7e9 + begins + 60.0 * place))
    return found


def sample(**how: int) -> Sample:
    """Return the same as arrays."""
    return sample_of(events(**how), 5000)


def catalogue(items: int = 90) -> dict[str, CatalogueItem]:
    """Return what the items are: each has its kind as a tag."""
    return {
        f"item {number}": CatalogueItem(f"item {number}", f"No {number}", (KINDS[number % len(KINDS)],))
        for number in range(items)
    }


def rows(found: list[tuple[str, str, float]]) -> list[dict[str, object]]:
    """Return events as an application sends them."""
    return [{"user": user, "item": item, "kind": "view", "at": at} for user, item, at in found]
