"""How many commands a second a socket may send."""

from __future__ import annotations

from runtime.errors import Overloaded


class Bucket:
    """Holds the commands of one second; `now` is in seconds on a clock that only goes forward."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._at = rate, now
        self._left = max(1.0, rate)

    def take(self, now: float) -> None:
        """Use up one command; Overloaded when there is none."""
        self._left = min(max(1.0, self._rate), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            raise Overloaded(
                f"More than {self._rate:g} commands a second came on this socket ([hub.limits] "
                "commands_per_second); send them slower.",
                retry_after=(1 - self._left) / self._rate,
            )
        self._left -= 1
