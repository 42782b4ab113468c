"""What one loaded plugin is called under: calls at once, failures in a row, and who takes over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from runtime.extensions.threads import Threads
from runtime.settings import PluginHost
from runtime.telemetry import Tally, get_logger

if TYPE_CHECKING:
    from runtime.extensions.catalog import Registered
    from runtime.telemetry.metrics import Metrics

_MOST_STREAKS = 1024
"""Tenants whose failures in a row are counted at once."""

_log = get_logger(__name__)


class Host:
    """The calls of one plugin, from its load until it is retired.  The plugin's objects share it.

    A tenant whose calls fail again and again rests alone: what one tenant sends must not take a plugin
    from the others.  A plugin that holds up the hub rests for all.
    """

    __slots__ = (
        "_begun",
        "_idle",
        "_rests",
        "_streaks",
        "_waiting",
        "active",
        "bounds",
        "concurrency",
        "deadline",
        "plugin",
        "successors",
        "tally",
        "threads",
    )

    def __init__(
        self, plugin: str = "", bounds: PluginHost | None = None, metrics: Metrics | None = None
    ) -> None:
        self.plugin = plugin
        self.bounds = bounds or PluginHost()
        # Read by every call, and much quicker so than from a pydantic model.
        self.deadline, self.concurrency = self.bounds.deadline, self.bounds.concurrency
        self.tally = metrics.plugin_tally(plugin) if metrics else Tally()
        self.threads = Threads()
        self.active: dict[int, None] = {}
        """The numbers of the calls at work, the oldest first."""
        self.successors: Mapping[tuple[str, str], Registered] | None = None
        """Once it is retired: what takes the place of its objects, by kind and name."""
        self._begun = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._streaks: dict[str, int] = {}
        self._rests: dict[str | None, tuple[float, str]] = {}

    # ----------------------------------------------------------------------- calls

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._begun

    def enter(self) -> int:
        """Begin a call; returns its number."""
        self._begun = number = self._begun + 1
        self.active[number] = None
        return number

    def leave(self, number: int) -> None:
        """End a call; its room goes to the one who has waited longest."""
        del self.active[number]
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self.enter())
                return
        if self._idle is not None and not self.active and not self._idle.done():
            self._idle.set_result(None)

    async def turn(self) -> int:
        """Wait until there is room, and begin a call; returns its number."""
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())
            raise

    async def idle(self, seconds: float) -> bool:
        """Wait until no call is at work; False when some still are after so many seconds."""
        if not self.active:
            return True
        self._idle = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._idle], timeout=seconds)
        return bool(done)

    # ----------------------------------------------------------------------- rest

    def refusal(self, tenant: str) -> tuple[float, str] | None:
        """Return for how many seconds a tenant's calls are refused, and why; None when they are not."""
        for whose in (None, tenant):
            if found := self._rests.get(whose):
                left = found[0] - monotonic()
                if left > 0:
                    return left, found[1]
                del self._rests[whose]
        return None

    @property
    def resting(self) -> str:
        """Why calls are refused now, be it those of one tenant alone; "" when they are not."""
        now = monotonic()
        return next((reason for until, reason in list(self._rests.values()) if until > now), "")

    @property
    def ailing(self) -> bool:
        """Whether a call may be refused, or was the last one of someone to fail."""
        return bool(self._rests or self._streaks)

    def succeeded(self, tenant: str) -> None:
        """Forget a tenant's failures."""
        self._streaks.pop(tenant, None)

    def failed(self, tenant: str, reason: str) -> None:
        """Count a failure; after too many in a row the tenant's calls are refused for a while.

        When the rest is over one more failure is enough.
        """
        breaker = self.bounds.breaker
        if tenant not in self._streaks and len(self._streaks) >= _MOST_STREAKS:
            self._streaks.clear()
        self._streaks[tenant] = streak = self._streaks.get(tenant, 0) + 1
        if streak >= breaker.failures:
            self._rest(tenant, f"{streak} calls in a row failed, the last one so: {reason}")

    def rest(self, reason: str, seconds: float | None = None) -> None:
        """Refuse the calls of all tenants for a while; may be called in any thread."""
        self._rest(None, reason, seconds)

    def _rest(self, whose: str | None, reason: str, seconds: float | None = None) -> None:
        seconds = self.bounds.breaker.rest if seconds is None else seconds
        self._rests[whose] = monotonic() + seconds, reason
        about = {} if whose is None else {"tenant": whose}
        _log.warning("plugin rests", plugin=self.plugin, seconds=seconds, reason=reason, **about)
