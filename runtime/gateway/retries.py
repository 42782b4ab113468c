"""When a candidate that failed is asked again: the one place that decides it."""

from __future__ import annotations

import random

from runtime.errors import HubbubError, ModelError

FIRST = 0.25
LONGEST = 8.0
"""Seconds before the first and before any further try, when the vendor asks for no other wait."""


def wait_before_retry(tries: int, error: HubbubError, most: float) -> float | None:
    """Return the seconds to wait after `tries` tries, None when the candidate is not to be asked again.

    At least half of a wait is always kept, so that the next one is longer; what a vendor asks for is
    never cut short, and not waited for when it is over `most`.
    """
    if not isinstance(error, ModelError) or not error.transient:
        return None
    asked = error.retry_after or 0.0
    if asked > most:
        return None
    backoff = min(LONGEST, FIRST * 2.0 ** (tries - 1))
    jitter = random.random()  # noqa: S311 - spreads load, hides nothing
    return max(asked * (1 + 0.1 * jitter), backoff * (0.5 + 0.5 * jitter))
