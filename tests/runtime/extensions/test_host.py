"""How many calls of a plugin are at work at once, and when it is left alone for a while."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.errors import NotFound, PluginError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, Registered

Make = Callable[..., Registered]


class Fit:
    """A scorer that waits, fails, or refuses."""

    def __init__(self) -> None:
        self.gate, self.now, self.most = asyncio.Event(), 0, 0
        self.order: list[int] = []

    async def wait(self, number: int) -> None:
        self.order.append(number)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        finally:
            self.now -= 1

    async def work(self, ctx: Any) -> str:
        return "done"

    async def fail(self, ctx: Any) -> None:
        raise ValueError("green")

    async def refuse(self, ctx: Any) -> None:
        raise NotFound("There is no such lead; look it up.")

    async def hang(self, ctx: Any) -> None:
        await asyncio.sleep(600)


def _soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


def _of(tenant: str) -> Any:
    return SimpleNamespace(tenant=tenant)


async def _fail(found: Registered, times: int, tenant: str = "acme", method: str = "fail") -> None:
    for _ in range(times):
        with pytest.raises((PluginError, NotFound)):
            await guard.call(found, method, _of(tenant), deadline=_soon())


async def _work(found: Registered, tenant: str = "acme") -> Any:
    return await guard.call(found, "work", _of(tenant), deadline=_soon())


async def test_further_calls_wait_for_room_and_go_in_order(scorer: Make) -> None:
    found = scorer(Fit(), concurrency=2)
    calls = [asyncio.create_task(guard.call(found, "wait", number, deadline=_soon())) for number in range(6)]
    await asyncio.sleep(0.01)
    assert found.value.order == [0, 1]
    found.value.gate.set()
    await asyncio.gather(*calls)
    assert found.value.order == [0, 1, 2, 3, 4, 5]
    assert found.value.most == 2
    assert found.host.active == {}


async def test_a_call_that_finds_no_room_in_its_time_says_how_many_are_at_work(scorer: Make) -> None:
    found = scorer(Fit(), concurrency=1)
    first = asyncio.create_task(guard.call(found, "wait", 1, deadline=_soon()))
    await asyncio.sleep(0)
    with pytest.raises(PluginError, match=r"has had 1 calls at work .* \[plugins\.fit\.host\] concurrency"):
        await guard.call(found, "wait", 2, deadline=_soon(0.02))
    found.value.gate.set()
    await first
    assert found.value.order == [1]
    assert found.host.resting == ""


async def test_a_call_that_is_cancelled_while_it_waits_keeps_nobodys_room(scorer: Make) -> None:
    found = scorer(Fit(), concurrency=1)
    first, second, third = (
        asyncio.create_task(guard.call(found, "wait", number, deadline=_soon())) for number in range(3)
    )
    await asyncio.sleep(0.01)
    found.value.gate.set()
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await third
    assert found.host.active == {}


async def test_after_failures_in_a_row_the_plugin_rests_and_says_why(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 3, "rest": 60.0})
    await _fail(found, 3)
    with pytest.raises(PluginError, match=r"is left alone for another .*3 calls in a row failed.*green"):
        await _work(found)
    assert "green" in found.host.resting


async def test_a_success_in_between_forgets_the_failures(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 3, "rest": 60.0})
    for _ in range(3):
        await _fail(found, 2)
        assert await _work(found) == "done"


async def test_after_its_rest_one_more_failure_is_enough(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 3, "rest": 0.02})
    await _fail(found, 3)
    await asyncio.sleep(0.03)
    await _fail(found, 1)
    with pytest.raises(PluginError, match="is left alone"):
        await _work(found)
    await asyncio.sleep(0.03)
    assert await _work(found) == "done"
    await _fail(found, 2)
    assert await _work(found) == "done"


async def test_one_tenants_failures_take_the_plugin_from_nobody_else(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 3, "rest": 60.0})
    await _fail(found, 3, "acme")
    with pytest.raises(PluginError, match="is left alone"):
        await _work(found, "acme")
    assert await _work(found, "globex") == "done"


async def test_a_plugin_that_is_set_to_rest_rests_for_all(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 3, "rest": 60.0})
    found.host.rest("it holds up the hub at plugins/fit.py:3")
    for tenant in ("acme", "globex"):
        with pytest.raises(PluginError, match=r"because it holds up the hub at plugins/fit.py:3; mend"):
            await _work(found, tenant)


async def test_what_a_plugin_refuses_on_purpose_is_no_failure(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 3, "rest": 60.0})
    await _fail(found, 5, method="refuse")
    assert await _work(found) == "done"


async def test_deadlines_count_when_they_are_the_plugins_own(scorer: Make) -> None:
    found = scorer(Fit(), deadline=0.01, breaker={"failures": 2, "rest": 60.0})
    await _fail(found, 2, method="hang")
    with pytest.raises(PluginError, match="is left alone"):
        await _work(found)


async def test_a_caller_without_patience_is_not_the_plugins_fault(scorer: Make) -> None:
    found = scorer(Fit(), breaker={"failures": 2, "rest": 60.0})
    for _ in range(3):
        with pytest.raises(PluginError, match="was not done when the time"):
            await guard.call(found, "hang", _of("acme"), deadline=_soon(0.01))
    assert await _work(found) == "done"


async def test_the_list_shows_that_a_plugin_rests(load: Callable[..., Catalog]) -> None:
    text = """
    from hubbub import hookimpl
    class Fit:
        name = "fit"
        async def score(self, item, ctx): return 7
    @hookimpl
    def register_scorers(): return [Fit()]
    """
    catalog = load("[plugins.fit.host]\nbreaker = { failures = 1, rest = '1m' }\n", fit=text)
    found = catalog.get("scorer", "fit")
    assert found is not None
    with pytest.raises(PluginError, match=r"scorer.fit at plugins/fit.py:5 gave a int; return a Score"):
        await guard.call(found, "score", {}, _of("acme"), deadline=_soon())
    (info,) = [each for each in catalog.plugins if each.name == "fit"]
    assert info.state == "resting"
    assert "gave a int" in info.error
