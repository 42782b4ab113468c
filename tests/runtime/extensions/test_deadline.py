"""One timer for many waits: it cancels what hangs, and tells its own cancellation from everybody else's."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from runtime.extensions.deadline import Deadline


@pytest.fixture
async def limit() -> AsyncIterator[Deadline]:
    """A deadline that is far away."""
    made = Deadline(time.monotonic() + 30)
    yield made
    made.close()


async def _value(value: Any, delay: float = 0.0) -> Any:
    await asyncio.sleep(delay)
    return value


async def test_it_returns_what_the_awaitable_returns(limit: Deadline) -> None:
    assert await limit.wait(_value(1)) == 1
    assert await limit.wait(_value(2)) == 2


async def test_it_waits_for_futures_too(limit: Deadline) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 7)
    assert await limit.wait(future) == 7


async def test_it_raises_what_the_awaitable_raises(limit: Deadline) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await limit.wait(fail())
    assert not limit.expired


async def test_it_expires_while_something_hangs() -> None:
    limit = Deadline(time.monotonic() + 0.01)
    with pytest.raises(TimeoutError):
        await limit.wait(asyncio.sleep(600))
    assert limit.expired
    assert not limit.deaf


async def test_the_task_is_not_cancelled_afterwards() -> None:
    limit = Deadline(time.monotonic() + 0.01)
    with pytest.raises(TimeoutError):
        await limit.wait(asyncio.sleep(600))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_between_two_waits_it_only_remembers(limit: Deadline) -> None:
    limit.move(time.monotonic() - 1)
    await asyncio.sleep(0.01)
    assert limit.expired
    coroutine = _value(1)
    with pytest.raises(TimeoutError):
        await limit.wait(coroutine)


async def test_moving_it_gives_more_time() -> None:
    limit = Deadline(time.monotonic() + 0.01)
    limit.move(time.monotonic() + 30)
    assert await limit.wait(_value(1, 0.03)) == 1
    limit.close()


async def test_closed_it_never_expires() -> None:
    limit = Deadline(time.monotonic() + 0.01)
    limit.close()
    assert await limit.wait(_value(1, 0.03)) == 1


async def test_a_cancellation_from_outside_is_passed_on(limit: Deadline) -> None:
    task = asyncio.create_task(_outer(limit, asyncio.sleep(600)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _outer(limit: Deadline, awaitable: Any) -> Any:
    return await limit.wait(awaitable)


async def test_a_cancellation_from_outside_is_not_lost_when_the_coroutine_swallows_it(
    limit: Deadline,
) -> None:
    async def swallow() -> str:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            return "well"
        return "never"

    task = asyncio.create_task(_outer(limit, swallow()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_coroutine_that_finishes_late_is_late() -> None:
    async def finish() -> str:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            return "at last"
        return "never"

    with pytest.raises(TimeoutError):
        await Deadline(time.monotonic() + 0.01).wait(finish())


async def test_a_coroutine_that_will_not_end_is_left_behind() -> None:
    heard = []

    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                heard.append(1)

    limit = Deadline(time.monotonic() + 0.01, grace=0.01)
    with pytest.raises(TimeoutError):
        await limit.wait(deaf())
    assert limit.deaf
    assert heard == [1]


async def test_a_coroutine_that_cancels_itself_does_not_cancel_the_task(limit: Deadline) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    async def later() -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="it cancelled itself"):
        await limit.wait(later())
    with pytest.raises(RuntimeError, match="it cancelled itself"):
        await limit.wait(cancel())


async def test_waits_that_never_suspend_still_give_the_loop_a_turn() -> None:
    limit = Deadline(time.monotonic() + 0.01)

    async def at_once() -> int:
        return 1

    async def forever() -> None:
        while True:
            await limit.wait(at_once())

    with pytest.raises(TimeoutError):
        await forever()


async def test_a_scope_inside_that_cancels_and_takes_it_back_is_no_cancellation() -> None:
    """As HTTP clients do on every new connection: the quickest address wins, the others are cancelled."""
    limit = Deadline(time.monotonic() + 30, grace=0.05)

    async def connect() -> str:
        async with anyio.create_task_group() as addresses:
            addresses.start_soon(anyio.sleep, 600)
            addresses.start_soon(_win, addresses.cancel_scope)
            await anyio.sleep(600)
        await asyncio.sleep(0.1)  # longer than the grace that a real cancellation would leave
        return "connected"

    assert await limit.wait(connect()) == "connected"
    assert (limit.expired, limit.deaf) == (False, False)
    limit.close()


async def _win(scope: anyio.CancelScope) -> None:
    await asyncio.sleep(0)
    scope.cancel()


async def test_a_time_out_inside_does_not_shorten_the_deadline() -> None:
    limit = Deadline(time.monotonic() + 30, grace=0.05)

    async def patient() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(600)
        except TimeoutError:
            await asyncio.sleep(0.1)
        return "went on"

    assert await limit.wait(patient()) == "went on"
    limit.close()
