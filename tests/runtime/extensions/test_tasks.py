"""A task that a plugin starts lives no longer than what it belongs to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.extensions.host import Host
from runtime.extensions.tasks import STARTING, PluginTasks

PLUGIN: dict[str, Any] = {}
exec(compile("import asyncio\nasync def stay(): await asyncio.sleep(600)", "fit.py", "exec"), PLUGIN)


@pytest.fixture
def host() -> Host:
    """The host of a plugin."""
    return Host("fit")


@pytest.fixture
async def tasks(host: Host) -> AsyncIterator[PluginTasks]:
    """Sees every task of the loop."""
    loop = asyncio.get_running_loop()
    made = PluginTasks(lambda file: host if file == "fit.py" else None)
    loop.set_task_factory(made)
    yield made
    loop.set_task_factory(None)


async def _ended(task: asyncio.Task[Any]) -> bool:
    await asyncio.wait([task], timeout=0.01)
    return task.done()


async def test_a_task_whose_call_has_ended_is_cancelled(host: Host, tasks: PluginTasks) -> None:
    call = host.enter()
    task = asyncio.create_task(PLUGIN["stay"]())
    tasks.sweep()
    assert not await _ended(task)
    host.leave(call)
    tasks.sweep()
    assert await _ended(task)


async def test_a_task_stays_while_a_call_that_may_have_started_it_is_at_work(
    host: Host, tasks: PluginTasks
) -> None:
    first, second = host.enter(), host.enter()
    task = asyncio.create_task(PLUGIN["stay"]())
    host.leave(second)
    tasks.sweep()
    assert not await _ended(task)
    third = host.enter()
    host.leave(first)
    tasks.sweep()
    assert await _ended(task)
    host.leave(third)


async def test_what_start_begins_stays_until_the_plugin_ends(host: Host, tasks: PluginTasks) -> None:
    token = STARTING.set(True)
    task = asyncio.create_task(PLUGIN["stay"]())
    STARTING.reset(token)
    tasks.sweep()
    assert not await _ended(task)
    tasks.end(host)
    assert await _ended(task)


async def test_tasks_of_others_are_nobodys_business(host: Host, tasks: PluginTasks) -> None:
    task = asyncio.create_task(asyncio.sleep(600))
    tasks.sweep()
    tasks.end(host)
    assert not await _ended(task)
    task.cancel()
