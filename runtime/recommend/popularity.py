"""How popular items are: how many users turned to them, those of long ago counting less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from runtime.recommend.sample import Floats, Sample

DAY = 86_400.0


_DAMPED = 0.6
_LEAST = 0.05


def demand(sample: Sample, half_life: float | None) -> Floats:
    """Return how much more an item is turned to now than it used to be, 1 where that is as ever.

    Damped: what is learned of all time says what suits somebody, and not only what is new.
    """
    now, ever = popularity(sample, half_life), popularity(sample, None)
    ratio: Floats = ((now + _LEAST) / (ever + _LEAST)) ** _DAMPED
    return ratio


def popularity(sample: Sample, half_life: float | None) -> Floats:
    """Return a number for each item, the most popular having 1.

    After `half_life` days a user counts half; with None all count the same.
    """
    if half_life is None or not len(sample):
        weights = np.ones(len(sample))
    else:
        weights = 0.5 ** ((sample.at.max() - sample.at) / (half_life * DAY))
    counted = np.bincount(sample.item, weights, minlength=len(sample.items))
    even: Floats = counted / max(counted.max(initial=0.0), 1e-12)
    return even
