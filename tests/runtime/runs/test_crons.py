"""Crons outlive their process, and what was missed is made up for once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from runtime.records import Cron
from runtime.runs.crons import next_time
from runtime.runs.run import StartRun

from .conftest import World

APPROVE = StartRun("default", "approve", {"topic": "piers"})


def cron(schedule: str, **more: object) -> Cron:
    made = Cron("c", "default", "approve", schedule, {}, {}, created_at=0, updated_at=0)
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_next_time_is_that_of_the_schedule_in_its_time_zone() -> None:
    summer = 1_750_000_000.0  # 2025-06-15 15:06:40 UTC
    assert next_time(cron("0 9 * * *"), summer) == 1_750_064_400.0
    assert next_time(cron("0 9 * * *", timezone="Europe/Berlin"), summer) == 1_750_064_400.0 - 2 * 3600


def test_a_cron_that_is_off_or_over_has_no_next_time() -> None:
    assert next_time(cron("0 9 * * *", enabled=False), 1_750_000_000.0) is None
    assert next_time(cron("0 9 * * *", end_at=1_750_000_001.0), 1_750_000_000.0) is None


async def test_what_was_missed_while_nobody_served_is_made_up_for_once(world: World) -> None:
    made = await world.engine.crons.create(APPROVE, "0 0 29 2 *", {})
    missed = replace(made, next_at=time.time() - 3600)
    await world.engine.journal.put_cron(missed)
    await world.restart()
    await world.until(lambda: world.ledger == ["draft piers"])
    async with asyncio.timeout(20):
        while (found := await world.engine.crons.get("default", made.id)).next_at == missed.next_at:
            await asyncio.sleep(0.005)
    assert found.next_at == made.next_at


async def test_a_start_that_was_made_before_a_crash_is_not_made_again(world: World) -> None:
    made = await world.engine.crons.create(APPROVE, "0 0 29 2 *", {})
    missed = replace(made, next_at=round(time.time() - 3600))
    for _ in range(2):  # the second time as if the process had died before the cron was stored
        await world.engine.journal.put_cron(missed)
        await world.restart()
        async with asyncio.timeout(20):
            while (await world.engine.crons.get("default", made.id)).next_at == missed.next_at:
                await asyncio.sleep(0.005)
    await world.until(lambda: world.ledger == ["draft piers"])
