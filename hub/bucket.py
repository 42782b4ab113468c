"""How many commands a second a socket may send, and when it has sent far too many."""

from __future__ import annotations

from runtime.errors import Overloaded

_PATIENCE = 10
"""Seconds' worth of commands over the rate after which nobody listens any more."""


class Bucket:
    """Holds the commands of one second; `now` is in seconds on a clock that only goes forward."""

    __slots__ = ("_at", "_left", "_over", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._at = rate, now
        self._left = max(1.0, rate)
        self._over = 0.0

    @property
    def flooded(self) -> bool:
        """Whether the sender pays no attention to being refused."""
        return self._over > max(1.0, self._rate) * _PATIENCE

    def take(self, now: float) -> Overloaded | None:
        """Use up one command; returns why not when there is none."""
        refilled = (now - self._at) * self._rate
        self._left = min(max(1.0, self._rate), self._left + refilled)
        self._over = max(0.0, self._over - refilled)
        self._at = now
        if self._left < 1:
            self._over += 1
            return Overloaded(
                f"More than {self._rate:g} commands a second came on this socket ([hub.limits] "
                "commands_per_second); send them slower.",
                retry_after=(1 - self._left) / self._rate,
            )
        self._left -= 1
        return None
