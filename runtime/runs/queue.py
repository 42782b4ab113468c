"""Whose turn it is: so many runs at once, one on a thread, first come first served, the background last."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.errors import Conflict, Overloaded


class Turn:
    """A run's place: `granted` when it may run."""

    __slots__ = ("_future", "background", "thread")

    def __init__(self, thread: str, *, background: bool = False) -> None:
        self.thread, self.background = thread, background
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def granted(self) -> bool:
        """Whether the run may go on now."""
        return self._future.done()

    def grant(self) -> None:
        """Let the run go on."""
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Wait for the grant."""
        await asyncio.shield(self._future)


class RunQueue:
    """Grants turns.  Without I/O: `enter` and `leave` never suspend."""

    def __init__(self, concurrency: int, limit: int) -> None:
        self._concurrency, self._limit = concurrency, limit
        self._running: set[Turn] = set()
        self._busy: dict[str, int] = {}
        self._held: set[str] = set()
        self._waiting: deque[Turn] = deque()
        self._behind: deque[Turn] = deque()

    def enter(self, thread: str, *, bounded: bool = True, background: bool = False) -> Turn:
        """Take a place; Overloaded when too many wait, unless the place is not `bounded`.

        One in the `background` is behind all others, and whoever takes it bounds how many there are.
        """
        turn = Turn(thread, background=background)
        if len(self._running) < self._concurrency and not self.busy(thread):
            self._run(turn)
        elif background:
            self._behind.append(turn)
        elif bounded and len(self._waiting) >= self._limit:
            raise Overloaded(
                f"{self._limit} runs are waiting already ([runs] queue); try again in a few seconds.",
                retry_after=2.0,
            )
        else:
            self._waiting.append(turn)
        self._busy[thread] = self._busy.get(thread, 0) + 1
        return turn

    def leave(self, turn: Turn) -> None:
        """Give a place back, waiting or running, and grant the next turns."""
        if turn in self._running:
            self._running.remove(turn)
        elif turn in self._line(turn):
            self._line(turn).remove(turn)
        else:
            return
        left = self._busy[turn.thread] - 1
        if left:
            self._busy[turn.thread] = left
        else:
            del self._busy[turn.thread]
        self._grant()

    @contextmanager
    def hold(self, thread: str) -> Iterator[None]:
        """Let no run of a thread begin meanwhile; Conflict when the thread is busy."""
        if self.busy(thread):
            raise Conflict(f"The thread {thread} is busy; wait for its run, or cancel it.")
        self._held.add(thread)
        try:
            yield
        finally:
            self._held.remove(thread)
            self._grant()

    def busy(self, thread: str) -> bool:
        """Whether a run of this thread waits or runs, or somebody holds it."""
        return thread in self._busy or thread in self._held

    def __len__(self) -> int:
        """How many runs wait."""
        return len(self._waiting) + len(self._behind)

    def _line(self, turn: Turn) -> deque[Turn]:
        return self._behind if turn.background else self._waiting

    def _run(self, turn: Turn) -> None:
        self._running.add(turn)
        turn.grant()

    def _grant(self) -> None:
        held = self._held | {turn.thread for turn in self._running}
        for turn in (*self._waiting, *self._behind):
            if len(self._running) >= self._concurrency:
                return
            if turn.thread in held:
                continue
            held.add(turn.thread)
            self._line(turn).remove(turn)
            self._run(turn)
