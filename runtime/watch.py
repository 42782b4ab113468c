"""Tells which files of a folder have changed: for those that are edited while a hub serves.

It looks at the folder again and again.  That works wherever files can be read (network drives, containers,
mounted secrets and config maps, where the kernel tells nobody), and needs no thread that waits.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import TypeAlias

from runtime.telemetry import get_logger

_log = get_logger(__name__)

INTERVAL = 0.2
"""Seconds between two looks."""

_SETTLED = 0.05
"""Seconds that a folder must be the same after a change: whoever writes a file may be half done."""

_RESTLESS = 10
"""Looks after which a folder that never settles is reported all the same."""

_SHARE = 50
"""A look may take a fiftieth of the time at most: a huge folder is looked at less often."""

Signature: TypeAlias = tuple[int, int, int, int]
"""When a file and its entry changed, its size, and which file it is."""

_UNREADABLE: Signature = (0, 0, 0, 0)


class FolderWatch:
    """The files of one folder whose names end with `suffix`, and of so many levels of folders inside.

    What it is compared with is how the folder looks when this is made: make it before the files are read,
    and no edit is missed.
    """

    def __init__(self, folder: Path, suffix: str, *, levels: int = 0, interval: float = INTERVAL) -> None:
        self._folder, self._suffix, self._levels, self._interval = folder, suffix, levels, interval
        self._seen: Mapping[str, Signature] = _look(folder, suffix, levels) or {}
        self._lost, self._took = False, 0.0

    async def changes(self) -> AsyncGenerator[frozenset[Path]]:
        """Yield the files that were added, changed or removed, together those that changed together.

        A folder that cannot be read, or is not there any more, has not changed: the log says so.
        """
        while True:
            now = await self._settled()
            if changed := _different(self._seen, now):
                self._seen = now
                yield frozenset(self._folder / name for name in changed)
            await asyncio.sleep(max(self._interval, _SHARE * self._took))

    async def _settled(self) -> Mapping[str, Signature]:
        """Return how the folder looks, once it looks the same twice."""
        before = await self._look()
        for _ in range(_RESTLESS):
            if before == self._seen:
                break
            await asyncio.sleep(_SETTLED)
            now = await self._look()
            if now == before:
                break
            before = now
        return before

    async def _look(self) -> Mapping[str, Signature]:
        began = time.monotonic()
        found = await asyncio.to_thread(_look, self._folder, self._suffix, self._levels)
        self._took = time.monotonic() - began
        lost = found is None and bool(self._seen)
        if lost and not self._lost:
            _log.warning(
                "folder cannot be read; its edits are not seen until it can", folder=str(self._folder)
            )
        self._lost = lost
        return self._seen if found is None else found


def _look(folder: Path, suffix: str, levels: int) -> dict[str, Signature] | None:
    """Return the files as they are now, by their paths inside; None when the folder cannot be read."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return None
    files = {entry.name: _signature(entry) for entry in entries if entry.name.endswith(suffix)}
    for entry in entries if levels else ():
        if entry.is_dir():
            inside = _look(folder / entry.name, suffix, levels - 1) or {}
            files |= {f"{entry.name}/{name}": signature for name, signature in inside.items()}
    return files


def _signature(entry: os.DirEntry[str]) -> Signature:
    """Return what differs after an edit; a link is what it leads to."""
    try:
        found = entry.stat()
    except OSError:
        return _UNREADABLE
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _different(before: Mapping[str, Signature], now: Mapping[str, Signature]) -> set[str]:
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
