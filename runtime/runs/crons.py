"""Runs that are started again and again, at the times of a cron expression."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from runtime.errors import HubbubError, InvalidInput, NotFound, Overloaded
from runtime.records import Cron, RunOptions
from runtime.runs.alarms import Alarms
from runtime.runs.run import StartRun
from runtime.runs.runs import Runs
from runtime.storage import Journal
from runtime.telemetry import get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

_AGAIN = 10.0
"""Seconds after which a start is tried again that a full queue has refused."""


class Crons:
    """Every method takes the tenant first; another tenant's cron looks like none at all."""

    def __init__(self, journal: Journal, runs: Runs) -> None:
        self._journal, self._runs, self._alarms = journal, runs, Alarms()

    async def open(self) -> None:
        """Set the alarms; what was missed while nobody served is made up for once."""
        for cron in await self._journal.crons():
            self._set(cron)

    async def aclose(self) -> None:
        """Start nothing more."""
        await self._alarms.aclose()

    async def create(self, start: StartRun, schedule: str, payload: JsonObject, **more: Any) -> Cron:
        """Store a cron that starts what `start` says; InvalidInput for a schedule that is none."""
        now = time.time()
        cron = Cron(
            *(str(uuid.uuid4()), start.tenant, start.graph, schedule, payload, _what(start)),
            created_at=now,
            updated_at=now,
            thread=start.thread,
            **more,
        )
        cron = replace(cron, next_at=next_time(cron, now))
        await self._journal.put_cron(cron, new=True)
        self._set(cron)
        return cron

    async def get(self, tenant: str, id: str) -> Cron:
        """Return a cron; NotFound."""
        for cron in await self._journal.crons(tenant):
            if cron.id == id:
                return cron
        raise NotFound(f"There is no cron {id[:64]}; search for it.")

    async def list(self, tenant: str) -> Sequence[Cron]:
        """List the crons, the newest first."""
        return await self._journal.crons(tenant)

    async def update(self, cron: Cron, start: StartRun | None = None) -> Cron:
        """Store a changed cron; with `start` it starts something else from now on."""
        now = time.time()
        changed = replace(cron, updated_at=now, start=_what(start) if start else cron.start)
        changed = replace(changed, next_at=next_time(changed, now))
        await self._journal.put_cron(changed)
        self._set(changed)
        return changed

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a cron; NotFound."""
        await self._journal.delete_cron(tenant, id)
        self._alarms.clear(id)

    def _set(self, cron: Cron) -> None:
        if cron.next_at is None:
            self._alarms.clear(cron.id)
        else:
            self._alarms.set(cron.id, cron.next_at, partial(self._fire, cron, cron.next_at))

    async def _fire(self, cron: Cron, at: float) -> None:
        try:
            await self._runs.start(_request(cron, at))
        except Overloaded as error:
            _log.warning("cron waits", cron=cron.id, reason=str(error))
            self._alarms.set(cron.id, time.time() + _AGAIN, partial(self._fire, cron, at))
            return
        except HubbubError as error:
            _log.warning("cron refused", cron=cron.id, graph=cron.graph, reason=str(error))
        # After the start: when the process dies in between, the key finds the run that is there.
        going_on = replace(cron, next_at=next_time(cron, max(at, time.time())))
        await self._journal.put_cron(going_on)
        self._set(going_on)


def next_time(cron: Cron, after: float) -> float | None:
    """Return when a cron starts next, in Unix seconds; None when it does not.

    InvalidInput for a schedule or a time zone that is none.
    """
    from cronsim import CronSim, CronSimError

    zone = _zone(cron.timezone)
    try:
        moment = next(CronSim(cron.schedule, datetime.fromtimestamp(after, zone)), None)
    except CronSimError as error:
        raise InvalidInput(
            f'The schedule {cron.schedule[:60]!r} is none ({error}); write for example "0 9 * * MON-FRI".'
        ) from None
    if moment is None or not cron.enabled:
        return None
    at = moment.timestamp()
    return None if cron.end_at is not None and at > cron.end_at else at


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f'There is no time zone {name[:60]}; write for example "Europe/Berlin".') from None


def _what(start: StartRun) -> JsonObject:
    return {
        "input": start.input,
        "config": start.config,
        "metadata": start.metadata,
        "options": msgspec.to_builtins(start.options),
    }


def _request(cron: Cron, at: float) -> StartRun:
    options = msgspec.convert(cron.start["options"], RunOptions)
    return StartRun(
        cron.tenant,
        cron.graph,
        cron.start["input"],
        thread=cron.thread,
        create_thread=False,
        config=cron.start["config"],
        metadata={**cron.start["metadata"], "cron_id": cron.id},
        idempotency_key=f"cron:{cron.id}:{at:.0f}",
        options=replace(options, ephemeral=cron.thread is None and not cron.keep_threads),
    )
