"""Which group of an experiment a user is in: decided by a hash, so nothing is stored or looked up."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate

_SIZE = 2**64


def group_of(tenant: str, experiment: str, user: str, shares: Mapping[str, float]) -> str:
    """Return the same group each time; each has its share of users, in each experiment other ones."""
    text = "\0".join((tenant, experiment, user))
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / _SIZE
    names, bounds = list(shares), list(accumulate(shares.values()))
    return names[min(bisect(bounds, place * bounds[-1]), len(names) - 1)]
