"""The tasks that plugins start: those that outlive the call they belong to are cancelled and named."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from runtime.extensions.host import Host
from runtime.telemetry import get_logger

STARTING: ContextVar[bool] = ContextVar("hubbub_plugin_starting", default=False)
"""Whether a plugin's `start` is at work: what it and its tasks start is theirs to end."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a task came from: the calls of its plugin that had begun; None for one of `start`."""

    host: Host
    begun: int | None


class PluginTasks:
    """Sees every task that the loop begins, and remembers those whose code is a plugin's.

    `owner` gives the host of the plugin that a file belongs to.
    """

    def __init__(self, owner: Callable[[str], Host | None]) -> None:
        self._owner = owner
        self._found: WeakKeyDictionary[asyncio.Task[Any], _Origin] = WeakKeyDictionary()

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        **options: Any,
    ) -> asyncio.Task[Any]:
        """Make a task, as a loop's task factory."""
        task = asyncio.Task(coroutine, loop=loop, **options)
        code = getattr(coroutine, "cr_code", None)
        if code is not None and (host := self._owner(code.co_filename)) is not None:
            self._found[task] = _Origin(host, None if STARTING.get() else host.begun)
        return task

    def sweep(self) -> None:
        """Cancel every task that is older than all calls of its plugin that are at work."""
        left: list[asyncio.Task[Any]] = []
        for task, origin in list(self._found.items()):
            oldest = next(iter(origin.host.active), None)
            if origin.begun is not None and (oldest is None or oldest > origin.begun):
                left.append(task)
        self._cancel(left, "its calls")

    def end(self, host: Host) -> None:
        """Cancel what a plugin has left behind for good."""
        self._cancel([task for task, origin in self._found.items() if origin.host is host], "its end")

    def _cancel(self, tasks: list[asyncio.Task[Any]], what: str) -> None:
        counts: Counter[str] = Counter()
        for task in tasks:
            origin = self._found.pop(task)
            if not task.done():
                counts[origin.host.plugin] += 1
                task.cancel()
        for plugin, count in counts.items():
            reason = f"{what} had ended; await them, or begin them in start() and end them in aclose()"
            _log.warning(
                "plugin left tasks behind, which are cancelled", plugin=plugin, tasks=count, reason=reason
            )
