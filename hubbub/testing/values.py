"""Compares and shows plain JSON values, with room for the last digits of a number."""

from __future__ import annotations

import math
from typing import Any

NEAR = 1e-4
"""How far two numbers may be apart, relative and absolute, and still be the same answer."""
LONGEST = 200


def same(one: Any, other: Any) -> bool:
    """Whether two plain values say the same."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=NEAR, abs_tol=NEAR)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def shown(value: Any) -> str:
    """Return the value for a sentence: on one line, and not long."""
    words = " ".join(repr(value).split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def finite(value: Any) -> bool:
    """Whether it is a number that can be compared: no bool, NaN or infinity."""
    return isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value)
