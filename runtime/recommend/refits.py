"""When a tenant's models are fitted again, each time in a process of its own, one after the other."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runtime.errors import HubbubError, NotFound, StorageError
from runtime.recommend.interactions import models_file
from runtime.telemetry import get_logger
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.journal.interactions import JournalInteractions
    from runtime.settings import RecommendSettings

EVERY = 60.0
"""Seconds between two looks at who has new events."""

_log = get_logger(__name__)


class Refits:
    """Fits models and knows their files."""

    def __init__(
        self,
        journal: JournalInteractions,
        var: Path,
        settings: RecommendSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal, self._var, self._settings, self._clock = journal, var, settings, clock
        self._one_at_a_time = asyncio.Lock()

    async def fit(self, tenant: str) -> JsonObject:
        """Fit a tenant's models to all it has told; calls go to the new ones from then on.

        NotFound without events; HubbubError when the process fails, and then the older models stay.
        """
        async with self._one_at_a_time:
            said = await self._in_process(tenant)
        if error := said.get("error"):
            raise (NotFound if error["code"] == NotFound.code else HubbubError)(error["message"])
        await asyncio.to_thread(_warm)
        return said

    async def _in_process(self, tenant: str) -> JsonObject:
        files = str(self._var / "hubbub.db"), str(models_file(self._var, tenant))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime.recommend.process", *files, tenant, str(self._settings.items)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise HubbubError(
                f"The process that fits the models of {tenant} ended with {process.returncode}; the older "
                "ones stay, see the hub's log or give it more memory."
            )
        said: JsonObject = orjson.loads(printed)
        return said

    async def run(self) -> None:
        """Fit what is due, until cancelled."""
        if any((self._var / "recommend").glob("*.npz")):
            await asyncio.to_thread(_warm)
        while True:
            await asyncio.sleep(EVERY)
            try:
                for tenant in await self.due():
                    said = await self.fit(tenant)
                    _log.info("recommendations fitted", tenant=tenant, seconds=said["seconds"])
            except HubbubError as error:
                _log.warning("recommendations not fitted", reason=str(error))

    async def due(self) -> list[str]:
        """Return the tenants with events that are newer than their models, which are old enough."""
        every = self._settings.refit
        if every is None:
            return []
        try:
            newest = await self._journal.newest_events()
        except StorageError as error:
            _log.warning("who has new events is not known", reason=str(error))
            return []
        return [tenant for tenant, last in newest.items() if await self._is_due(tenant, last, every)]

    async def _is_due(self, tenant: str, last: int, every: float) -> bool:
        from runtime.recommend.fitted import about

        known = await asyncio.to_thread(about, models_file(self._var, tenant))
        return known is None or (known["last"] < last and known["fitted_at"] + every <= self._clock())


def _warm() -> None:
    """Import what models need before the first list does, in whose call it would take its time."""
    for module in ("scipy.sparse", "runtime.recommend.fitted"):
        import_module(module)
