"""Crons as the official SDK asks for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from hub.parts import KEYRING

EVERY_SECOND = "* * * * * *"
NEVER_SOON = "0 0 29 2 *"


async def runs_of(hub: Any, thread: str, many: int) -> list[Any]:
    """Return the runs of a thread when there are so many that have ended."""
    client = get_client(url=hub.url)
    async with asyncio.timeout(20):
        while True:
            found = [run for run in await client.runs.list(thread) if run["status"] == "success"]
            if len(found) >= many:
                return found
            await asyncio.sleep(0.05)


async def test_a_cron_starts_runs_on_its_thread(hub: Any) -> None:
    """Again and again, each once, until it is deleted."""
    client = get_client(url=hub.url)
    thread = (await client.threads.create())["thread_id"]
    cron: Any = await client.crons.create_for_thread(
        thread, "echo", schedule=EVERY_SECOND, input={"text": "tick"}, metadata={"team": "a"}
    )
    first, second = (await runs_of(hub, thread, 2))[:2]
    assert first["metadata"]["cron_id"] == second["metadata"]["cron_id"] == cron["cron_id"]
    assert first["metadata"]["team"] == "a"
    await client.crons.delete(cron["cron_id"])
    assert await client.crons.count() == 0


async def test_a_cron_without_a_thread_makes_one_each_time(hub: Any) -> None:
    """And keeps it, if asked to."""
    client = get_client(url=hub.url)
    await client.crons.create("echo", schedule=EVERY_SECOND, input={"text": "tick"}, on_run_completed="keep")
    async with asyncio.timeout(20):
        while len(await client.threads.search()) < 2:
            await asyncio.sleep(0.05)


async def test_crons_are_found_changed_and_turned_off(hub: Any) -> None:
    """With the fields and words of the SDK."""
    client = get_client(url=hub.url)
    thread = (await client.threads.create())["thread_id"]
    made: Any = await client.crons.create(
        "echo",
        schedule=NEVER_SOON,
        input={"text": "a"},
        metadata={"team": "a"},
        timezone="Europe/Berlin",
        end_time=datetime(2099, 1, 1, tzinfo=UTC),
    )
    await client.crons.create_for_thread(thread, "echo", schedule=NEVER_SOON, input={"text": "b"})
    assert made["next_run_date"].endswith("T23:00:00+00:00")
    assert made["timezone"] == "Europe/Berlin"
    assert made["end_time"] == "2099-01-01T00:00:00+00:00"
    assert [cron["thread_id"] for cron in await client.crons.search()] == [thread, None]
    assert await client.crons.count(metadata={"team": "a"}) == 1
    assert [cron["cron_id"] for cron in await client.crons.search(thread_id=thread)] != [made["cron_id"]]
    changed = await client.crons.update(made["cron_id"], enabled=False, input={"text": "c"}, end_time=None)
    assert (changed["enabled"], changed["next_run_date"], changed["end_time"]) == (False, None, None)
    assert changed["payload"]["input"] == {"text": "c"}
    assert changed["schedule"] == NEVER_SOON
    assert [cron["enabled"] for cron in await client.crons.search(enabled=False)] == [False]
    (shown,) = await client.crons.search(enabled=False, select=["cron_id", "schedule"])
    assert shown == {"cron_id": made["cron_id"], "schedule": NEVER_SOON}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schedule": "61 * * * *"}, "0 9 * * MON-FRI"),
        ({"schedule": "every day"}, "0 9 * * MON-FRI"),
        ({"timezone": "Berlin"}, "Europe/Berlin"),
        ({"timezone": "../../etc/passwd"}, "Europe/Berlin"),
        ({"webhook": "http://10.0.0.1/"}, "egress"),
    ],
)
async def test_what_cannot_be_is_refused(hub: Any, change: dict[str, str], says: str) -> None:
    """And nothing is stored."""
    client = get_client(url=hub.url)
    asked: Any = {"schedule": NEVER_SOON, "input": {"text": "a"}, **change}
    with pytest.raises(UnprocessableEntityError, match=says.replace("*", r"\*")):
        await client.crons.create("echo", **asked)
    assert await client.crons.count() == 0


async def test_what_is_not_there_is_not_found(hub: Any) -> None:
    """Graph, thread, cron."""
    client = get_client(url=hub.url)
    with pytest.raises(NotFoundError):
        await client.crons.create("ecco", schedule=NEVER_SOON, input={"text": "a"})
    with pytest.raises(NotFoundError):
        await client.crons.create_for_thread("none", "echo", schedule=NEVER_SOON, input={"text": "a"})
    with pytest.raises(NotFoundError):
        await client.crons.delete("none")
    with pytest.raises(NotFoundError):
        await client.crons.update("none", enabled=False)


async def test_another_tenants_crons_are_none_at_all(guarded: Any) -> None:
    """Not listed, not deleted."""
    keyring = guarded.server.runner.app[KEYRING]
    (_, mine), (_, theirs) = await keyring.create("a", "acme"), await keyring.create("b", "bolt")
    my, their = get_client(url=guarded.url, api_key=mine), get_client(url=guarded.url, api_key=theirs)
    cron: Any = await my.crons.create("echo", schedule=NEVER_SOON, input={"text": "a"})
    assert await their.crons.search() == []
    with pytest.raises(NotFoundError):
        await their.crons.delete(cron["cron_id"])
    assert await my.crons.count() == 1
