"""What is known of a candidate: whether it is left alone after failures, and how soon it begins to answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from runtime.settings import BreakerSettings

_RECENT = 0.3
"""The weight of the newest answer in the latency."""

LONGEST_REST = 600.0
"""Seconds that a candidate is left alone at most, whatever it asks for."""


class Standing:
    """The breaker and the latency of one candidate, for all aliases.

    After enough failures in a row it rests; then one request tries it, and its outcome decides.
    """

    __slots__ = ("_clock", "_failures", "_rest_until", "_tripped", "_trying", "latency")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures, self._rest_until = 0, 0.0
        self._tripped = self._trying = False
        self.latency: float | None = None

    @property
    def resting(self) -> float:
        """Seconds that it still rests, 0 when it may be asked."""
        return max(0.0, self._rest_until - self._clock())

    @property
    def failures(self) -> int:
        """Failures since its last answer."""
        return self._failures

    def admit(self) -> Literal["call", "trial", ""]:
        """Whether it may be asked now, "" when not; whoever is told so says how it went."""
        if self.resting or (self._tripped and self._trying):
            return ""
        self._trying = self._tripped
        return "trial" if self._tripped else "call"

    def answered(self, seconds: float | None) -> None:
        """It gave a whole answer, which began after so many seconds."""
        self._failures, self._rest_until = 0, 0.0
        self._tripped = self._trying = False
        if seconds is not None:
            before = seconds if self.latency is None else self.latency
            self.latency = before + _RECENT * (seconds - before)

    def failed(self, settings: BreakerSettings, rest: float | None = None) -> None:
        """It failed; `rest` are seconds that it wants to be left alone."""
        self._failures, self._trying = self._failures + 1, False
        if rest is None and self._failures < settings.failures:
            return
        self._tripped = True
        self._rest_until = self._clock() + min(LONGEST_REST, settings.rest if rest is None else rest)

    def released(self, admitted: str) -> None:
        """What was admitted is over, whether or not anything was learned from it."""
        self._trying = self._trying and admitted != "trial"


class Standings:
    """Those of all candidates, by their label."""

    def __init__(self) -> None:
        self._known: dict[str, Standing] = {}

    def of(self, label: str) -> Standing:
        """Return a candidate's."""
        return self._known.setdefault(label, Standing())

    def latency(self, label: str) -> float | None:
        """Return how soon a candidate lately began to answer, in seconds; None when nobody knows."""
        return self.of(label).latency

    def resting(self, label: str) -> str:
        """Return in words why a candidate is left alone, "" when it is not."""
        standing = self.of(label)
        if not standing.resting:
            return ""
        return f"rests for {standing.resting:.0f} s after {standing.failures} failures in a row"
