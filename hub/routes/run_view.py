"""One viewer of one run: reads its events from the thread's channel as they come, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.errors import NotFound
from runtime.records import Run
from runtime.types import Event, JsonObject

if TYPE_CHECKING:
    from runtime.engine import Engine
    from runtime.runs.channel import Channel

HEARTBEAT = 15.0
"""Seconds of silence after which a viewer shows that it is still there."""

_ENDINGS = frozenset({"completed", "failed"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a viewer saw at once: events of its run, or nothing (a heartbeat).

    `gap` is the range of seqs whose live events are gone.
    """

    events: list[Event]
    gap: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run and where it begins on its thread's channel: every event of it has a seq above `start`."""

    engine: Engine
    tenant: str
    run: Run
    channel: Channel
    start: int

    @classmethod
    async def of(cls, engine: Engine, tenant: str, run: Run, start: int | None = None) -> RunView:
        """Look at a run; without `start` the journal says where it begins."""
        channel = await engine.threads.channel(tenant, run.thread)
        if start is None:
            start = max(0, await engine.journal.first_seq(run.thread, run.id) - 1)
        return cls(engine, tenant, run, channel, start)

    async def looks(self) -> AsyncGenerator[Look]:
        """Yield the run's events in order, the last Look holding its end."""
        grown = asyncio.Event()
        unwatch = self.channel.watch(grown.set)
        # Also without an event of its end a run is over for us: when the hub stops, or the log was cut.
        over = asyncio.create_task(self.ended(), name=f"view of run {self.run.id}")
        over.add_done_callback(lambda _: grown.set())
        after, paused = self.start, False
        try:
            while True:
                grown.clear()
                batch = await self.channel.read(after)
                if batch.events or batch.gap:
                    after = max(after, *[event.seq for event in batch.events[-1:]], *(batch.gap or ()))
                    mine = [event for event in batch.events if event.run == self.run.id]
                    if mine or batch.gap:
                        yield Look(mine, batch.gap)
                    if any(ends(event) for event in mine):
                        return
                    # A run that waited may have gone on since: only the last thing it said counts.
                    paused = pauses(mine[-1]) if mine else paused
                    # A long replay must not hold up the others: reading and writing may both not suspend.
                    await asyncio.sleep(0)
                elif paused or over.done():
                    return
                elif not await happens(grown):
                    yield Look([])
        finally:
            unwatch()
            over.cancel()

    async def ended(self) -> Run:
        """Return the run's record when it has ended and given its place free."""
        return await self.engine.runs.wait(self.tenant, self.run.id)

    async def values(self, run: Run) -> JsonObject:
        """Return the whole state with which the run ended, or waits; `run` is its record then."""
        found: JsonObject | None = None
        async with aclosing(self.looks()) as looks:
            async for look in looks:
                found = None if look.gap else found
                for event in look.events:
                    if event.method == "values" and not event.namespace:
                        found = event.data
        if found is not None:
            return found
        newest = await self.engine.runs.list(self.tenant, run.thread, 1)
        if newest and newest[0].id == run.id:
            try:
                return (await self.engine.threads.state(self.tenant, run.thread)).values
            except NotFound:
                pass  # the graph version that could read it is gone
        # A later run has changed the state meanwhile: what this one put out is in its record.
        return run.output or {}


def ends(event: Event) -> bool:
    """Whether an event says that its run is over."""
    return event.method == "lifecycle" and not event.namespace and event.data["event"] in _ENDINGS


def pauses(event: Event) -> bool:
    """Whether an event says that its run waits."""
    return event.method == "lifecycle" and not event.namespace and event.data["event"] == "interrupted"


async def happens(event: asyncio.Event) -> bool:
    """Wait for an event; False after a heartbeat of silence."""
    try:
        async with asyncio.timeout(HEARTBEAT):
            await event.wait()
    except TimeoutError:
        return False
    return True


def interrupts_of(run: Run) -> dict[str, Any]:
    """Return what a run waits for, as LangGraph shows it in a state; nothing for one that does not wait."""
    if not run.waiting:
        return {}
    return {
        "__interrupt__": [
            {"value": each.value, "id": each.id} | ({"response_schema": each.schema} if each.schema else {})
            for each in run.waiting
        ]
    }


def failure_of(run: Run) -> dict[str, Any] | None:
    """Return the error of a run that failed, in the words of the SDK; None for one that did not."""
    if run.error is None or run.status.value in ("success", "interrupted", "cancelled"):
        return None
    return {"error": run.error["code"], "message": run.error["message"]}
