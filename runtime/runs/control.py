"""What others ask of an execution while it runs: to leave it to the next process, or to take in a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from runtime.types import JsonObject


class Control:
    """One for each execution; the worker listens, and stops at the next step boundary."""

    __slots__ = ("_stop", "injected", "leaving")

    def __init__(self, injected: Iterable[JsonObject] = ()) -> None:
        self.leaving = False
        """Whether this process stops and the next one goes on with the run."""
        self.injected = list(injected)
        """All messages that were ever sent into the run, in order."""
        self._stop: Callable[[], None] | None = None

    def leave(self) -> None:
        """Ask it to stop for good at the next boundary."""
        self.leaving = True
        self._ask()

    def inject(self, message: JsonObject) -> None:
        """Ask it to take a message into the state at the next boundary, and to go on."""
        self.injected.append(message)
        self._ask()

    def listen(self, stop: Callable[[], None], taken: int) -> None:
        """Have `stop` called for whatever is asked from now on, and at once for what was asked before.

        `taken` are the messages that the state holds already.
        """
        self._stop = stop
        if self.leaving or len(self.injected) > taken:
            stop()

    def _ask(self) -> None:
        if self._stop:
            self._stop()
