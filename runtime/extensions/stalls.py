"""Notices who holds up the event loop: a thread beside it looks where the loop is when it does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise, repeat
from time import monotonic
from types import FrameType

from runtime.extensions.failures import place
from runtime.extensions.host import Host
from runtime.telemetry import get_logger

INTERVAL = 0.015
"""Seconds between two questions to the loop."""
PATIENCE = 0.05
"""Seconds without an answer after which somebody holds it up."""

_RUN_ONCE = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]

_log = get_logger(__name__)


class StallWatch:
    """Asks the running loop again and again whether it still turns.

    `owner` gives the host of the plugin that a file belongs to, and the file's name for people.  A plugin
    that is found at work when the loop does not answer is named with its line, and rests.  An import is
    only named: it happens once.  Time in which the machine had other things to do, or the garbage collector
    was at work, does not count.
    """

    def __init__(self, owner: Callable[[str], tuple[Host, str] | None]) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._of, self._schedule = threading.get_ident(), _Schedule(threading.get_native_id())
        self._answered, self._told = True, False
        self._asked = self._excused = self._collected = self._collecting = 0.0
        self._turn: FrameType | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        gc.callbacks.append(self._collect)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        self._thread.join()
        gc.callbacks.remove(self._collect)
        self._schedule.close()

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL):
            if self._answered:
                self._ask()
            elif not self._told:
                self._look()

    def _ask(self) -> None:
        self._answered = self._told = False
        self._turn = None
        self._asked, self._excused = monotonic(), self._excuses()
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # the loop is closed
            self._stopped.set()

    def _answer(self) -> None:
        self._answered = True

    def _excuses(self) -> float:
        """Return the seconds so far in which the loop's thread could not have gone on."""
        return self._schedule.starved() + self._collected

    def _collect(self, phase: str, _: dict[str, int]) -> None:
        """Take the time of the garbage collector, which works in whoever's code it happens to begin."""
        if threading.get_ident() != self._of:
            return
        if phase == "start":
            self._collecting = monotonic()
        elif self._collecting:
            self._collected += monotonic() - self._collecting
            self._collecting = 0.0

    def _look(self) -> None:
        frames = _frames_of(self._of)
        if not frames or self._answered:
            return
        if (turn := _turn_of(frames)) is not self._turn:
            # Another turn than at the last look: many short ones in a row hold nobody up.
            self._turn = turn
            self._asked, self._excused = monotonic(), self._excuses()
            return
        held = monotonic() - self._asked - (self._excuses() - self._excused)
        if held < PATIENCE or self._collecting:
            return
        self._told = True
        importing = False
        for frame in frames:
            file = frame.f_code.co_filename
            importing = importing or file.startswith("<frozen importlib")
            if found := self._owner(file):
                self._tell(*found, frame, held, importing=importing)
                return

    def _tell(self, host: Host, shown: str, frame: FrameType, held: float, *, importing: bool) -> None:
        where, milliseconds = place(shown, frame.f_lineno), round(held * 1000)
        if importing:
            _log.info("plugin imports while the hub waits", plugin=host.plugin, at=where, ms=milliseconds)
            return
        _log.warning("plugin holds up the hub", plugin=host.plugin, at=where, ms=milliseconds)
        host.rest(f"it holds up the hub at {where}, and what blocks belongs into a plain def")


def _frames_of(thread: int) -> list[FrameType]:
    """Return what a thread is at, the innermost first.

    They are collected by C alone, so that the thread does not go on meanwhile: to ask a frame that has ended
    for the one around it can end the process.
    """
    frames: list[FrameType | None] = []
    with contextlib.suppress(AttributeError):  # the outermost has none around it
        frames.extend(accumulate(repeat("f_back"), getattr, initial=sys._current_frames().get(thread)))
    return [frame for frame in frames if frame is not None]


def _turn_of(frames: Sequence[FrameType]) -> FrameType:
    """Return the frame of the loop's present turn: the one thing that it is doing now."""
    for turn, outer in pairwise(frames):
        if outer.f_code is _RUN_ONCE:
            return turn
    return frames[-1]


class _Schedule:
    """How long a thread has waited for a processor; always 0 where nobody tells."""

    def __init__(self, thread: int) -> None:
        try:
            self._file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)
        except OSError:
            self._file = -1

    def starved(self) -> float:
        """Return seconds since the thread began."""
        if self._file < 0:
            return 0.0
        return int(os.pread(self._file, 128, 0).split()[1]) / 1e9

    def close(self) -> None:
        """Read no more."""
        if self._file >= 0:
            os.close(self._file)
