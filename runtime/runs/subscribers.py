"""Tells the subscribers of plugins every durable event: each at its own pace, in order, at least once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from runtime.errors import HubbubError, StorageError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import CallContext, Services
from runtime.journal.subscriptions import JournalSubscriptions, Logged
from runtime.telemetry import get_logger
from runtime.types import Delta

BATCH: Final = 100
"""Events that are read at once; so many may come again after a crash."""
WAITS: Final = (1.0, 5.0, 30.0, 120.0)
"""Seconds before each further try of an event; after the last one it is left out, and logged."""

_LOOK = 0.2
"""Seconds after which the log is looked at again."""
_DEADLINE = 600.0
"""Seconds that one event may take, if its plugin's own deadline is no shorter."""

_log = get_logger(__name__)


class Subscribers:
    """The log itself is the queue, so that nobody's slowness takes memory or holds up a run.

    A subscriber is known by its name: edited, it goes on where it was; new, it begins with what happens next.
    """

    def __init__(self, log: JournalSubscriptions, catalog: Callable[[], Catalog], services: Services) -> None:
        self._log, self._catalog, self._services = log, catalog, services
        self.waits: Sequence[float] = WAITS

    async def run(self) -> None:
        """Tell whoever subscribes, until cancelled; plugins may come and go meanwhile."""
        async with asyncio.TaskGroup() as group:
            at_work: dict[str, asyncio.Task[None]] = {}
            while True:
                names = set(self._catalog().names("subscriber"))
                for name in names - at_work.keys():
                    at_work[name] = group.create_task(self._follow(name), name=f"subscriber {name}")
                for name in at_work.keys() - names:
                    at_work.pop(name).cancel()
                await asyncio.sleep(_LOOK)

    async def _follow(self, name: str) -> None:
        while True:
            try:
                await self._tell(name)
            except StorageError as error:
                _log.warning("subscriber waits", subscriber=name, reason=str(error))
            await asyncio.sleep(_LOOK)

    async def _tell(self, name: str) -> None:
        """Tell everything up to the end of the log."""
        place = await self._log.place(name)
        while batch := await self._log.after(place.place, BATCH):
            for logged in batch:
                if not await self._deliver(name, logged):
                    return
            place = place._replace(place=batch[-1].place)
            if not await self._log.move(name, place):
                return

    async def _deliver(self, name: str, logged: Logged) -> bool:
        """Tell one event, also to the newest version of a plugin that is edited between two tries.

        False when there is nobody any more to be told.
        """
        for wait in (*self.waits, None):
            registered = self._catalog().get("subscriber", name)
            if registered is None:
                return False
            context = self._context(name, logged)
            try:
                await guard.call(registered, "on_event", logged.event, context, deadline=context.deadline)
                return True
            except HubbubError as error:
                about = {"subscriber": name, "id": logged.event.id, "reason": str(error)}
            if wait is None:
                _log.error("event left out", **about)
                break
            _log.warning("subscriber failed", wait=wait, **about)
            await asyncio.sleep(wait)
        return True

    def _context(self, name: str, logged: Logged) -> CallContext:
        return CallContext(
            tenant=logged.tenant,
            run=logged.event.run,
            thread=logged.event.thread,
            idempotency_key=f"{name}:{logged.event.id}",
            deadline=time.monotonic() + _DEADLINE,
            params=None,
            log=_log,
            services=self._services,
            emitter=_nowhere,
        )


def _nowhere(_: Delta) -> None:
    """Drop a piece of text: nobody watches a subscriber."""
