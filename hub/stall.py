"""Notices that a client has taken nothing for too long."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

_LOOKS = 4
"""How often a client is looked at while it is waited for."""


class Stall:
    """Watches over writing: a client that is slow takes little, one that is stuck takes nothing.

    `held` says how many bytes wait for the client, `stuck` is called when none of them were taken for
    `patience` seconds.
    """

    __slots__ = ("_held", "_last", "_loop", "_moved_at", "_patience", "_stuck", "_timer")

    def __init__(
        self,
        patience: float,
        held: Callable[[], int],
        stuck: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._patience, self._held, self._stuck, self._loop = patience, held, stuck, loop
        self._last, self._moved_at = 0, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Stall:
        self.moved()
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()

    def moved(self) -> None:
        """Take note that a whole message was taken."""
        self._last, self._moved_at = 0, self._loop.time()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._patience / _LOOKS, self._look)

    def _look(self) -> None:
        held, now = self._held(), self._loop.time()
        if held < self._last:
            self._moved_at = now
        self._last = held
        if now - self._moved_at >= self._patience:
            self._stuck()
        else:
            self._wait()


def held_for(transport: asyncio.Transport | None) -> int:
    """Return how many bytes wait for a client: here, and in the kernel where that can be asked."""
    if transport is None or transport.is_closing():
        return 0
    held = transport.get_write_buffer_size()
    if sys.platform == "linux":
        import fcntl
        import termios

        # The kernel takes no more before a third of its buffer is free, which a slow client takes long for.
        unsent = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        held += int.from_bytes(unsent, sys.byteorder)
    return held
