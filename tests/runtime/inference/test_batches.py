"""What waits is one call, nobody gets another's rows, and no more waits than was allowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidInput, LimitExceeded, Overloaded
from runtime.extensions.threads import Threads
from runtime.inference.batches import Batches
from runtime.inference.description import Tensor
from runtime.inference.opened import Opened
from runtime.inference.opening import open_version
from runtime.settings import InferenceBatch, InferenceSettings
from runtime.telemetry import Telemetry
from tests.runtime.inference.making import endless, put

PLAIN = (Tensor("x", "FP64", (-1,)),)


class Doubler:
    """Doubles rows; `gate` holds up every call, and a row below 0 fails the call that it is in."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[int] = []

    def predict(self, arrays: Mapping[str, Any], stop: Any) -> Mapping[str, Any]:
        self.gate.wait(20)
        self.calls.append(len(arrays["x"]))
        if (arrays["x"] < 0).any():
            raise InvalidInput("It takes nothing below 0; send more.")
        return {"y": arrays["x"] * 2}

    @property
    def opened(self) -> Opened:
        return Opened("python", PLAIN, (replace(PLAIN[0], name="y"),), self.predict, joins=True)


def batches(opened: Opened, telemetry: Telemetry | None = None, **bounds: Any) -> Batches:
    chosen = InferenceSettings(**{"threads": 1, **bounds})
    metrics = telemetry.metrics if telemetry else None
    return Batches("doubler", opened, chosen, Threads(chosen.threads), metrics)


def rows(*values: float) -> dict[str, Any]:
    return {"x": np.asarray(values, dtype=np.float64)}


async def ask(queue: Batches, opened: Opened, *values: float) -> list[float]:
    found = await queue.run(opened.predict, rows(*values), len(values))
    answer: list[float] = found["y"].tolist()
    return answer


async def held(doubler: Doubler, queue: Batches, opened: Opened) -> asyncio.Task[Any]:
    """Begin a call that keeps the only thread until the gate opens."""
    doubler.gate.clear()
    first = asyncio.create_task(ask(queue, opened, 0))
    await until(lambda: bool(queue._working))
    return first


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


async def test_what_arrives_while_a_call_is_at_work_is_the_next_call() -> None:
    doubler, telemetry = Doubler(), Telemetry()
    opened = doubler.opened
    queue = batches(opened, telemetry)
    first = await held(doubler, queue, opened)
    others = [asyncio.create_task(ask(queue, opened, n, -n)) for n in range(1)]
    others += [asyncio.create_task(ask(queue, opened, n, n + 0.5)) for n in range(1, 6)]
    await until(lambda: len(queue._waiting) == 6)
    doubler.gate.set()
    assert await first == [0]
    assert await asyncio.gather(*others) == [[2 * n, 2 * n + (n > 0)] for n in range(6)]
    assert doubler.calls == [1, 12]
    text = telemetry.render().decode()
    assert 'hubbub_inference_batch_rows_sum{model="doubler"} 13.0' in text
    assert 'hubbub_inference_batch_requests_sum{model="doubler"} 7.0' in text
    assert 'hubbub_inference_seconds_count{model="doubler"} 7.0' in text


async def test_a_call_has_no_more_rows_than_the_setting_says() -> None:
    doubler = Doubler()
    opened = doubler.opened
    queue = batches(opened, batch=InferenceBatch(rows=4))
    first = await held(doubler, queue, opened)
    others = [asyncio.create_task(ask(queue, opened, *range(n))) for n in (3, 2, 1, 9)]
    await until(lambda: len(queue._waiting) == 4)
    doubler.gate.set()
    await asyncio.gather(first, *others)
    assert doubler.calls == [1, 4, 2, 9]


async def test_the_first_waits_for_others_where_the_setting_says_so() -> None:
    doubler = Doubler()
    opened = doubler.opened
    queue = batches(opened, batch=InferenceBatch(rows=3, wait=20.0))
    assert await asyncio.gather(*(ask(queue, opened, n) for n in range(3))) == [[0], [2], [4]]
    assert doubler.calls == [3]
    queue = batches(opened, batch=InferenceBatch(rows=3, wait=0.01))
    assert await ask(queue, opened, 1) == [2]


async def test_one_that_cannot_be_answered_does_not_spoil_the_others() -> None:
    doubler = Doubler()
    opened = doubler.opened
    queue = batches(opened)
    first = await held(doubler, queue, opened)
    others = [asyncio.create_task(ask(queue, opened, n)) for n in (1, -1, 2)]
    await until(lambda: len(queue._waiting) == 3)
    doubler.gate.set()
    one, bad, two = await asyncio.gather(*others, return_exceptions=True)
    assert (one, two) == ([2], [4])
    assert isinstance(bad, InvalidInput)
    await first


async def test_a_model_that_gives_other_rows_than_came_in_is_called_for_each_alone() -> None:
    def most(arrays: Mapping[str, Any], stop: Any) -> Mapping[str, Any]:
        gate.wait(20)
        return {"y": arrays["x"].max(keepdims=True)}

    gate, opened = threading.Event(), Opened("python", PLAIN, PLAIN, most, joins=True)
    queue = batches(opened)
    asked = [asyncio.create_task(ask(queue, opened, n, n + 1)) for n in range(3)]
    await until(lambda: len(queue._waiting) == 2)
    gate.set()
    assert await asyncio.gather(*asked) == [[1], [2], [3]]


async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    doubler, telemetry = Doubler(), Telemetry()
    opened = doubler.opened
    queue = batches(opened, telemetry, queue=2)
    first = await held(doubler, queue, opened)
    waiting = [asyncio.create_task(ask(queue, opened, n)) for n in range(2)]
    await until(lambda: len(queue._waiting) == 2)
    with pytest.raises(Overloaded, match="The model doubler has 2 requests waiting") as raised:
        await ask(queue, opened, 3)
    assert raised.value.retry_after == 1.0
    assert 'hubbub_inference_refused_total{model="doubler"} 1.0' in telemetry.render().decode()
    doubler.gate.set()
    assert await asyncio.gather(first, *waiting) == [[0], [0], [2]]


async def test_one_whose_caller_has_left_is_not_called_for() -> None:
    doubler = Doubler()
    opened = doubler.opened
    queue = batches(opened)
    first = await held(doubler, queue, opened)
    left, stays = (asyncio.create_task(ask(queue, opened, n)) for n in (1, 2))
    await until(lambda: len(queue._waiting) == 2)
    left.cancel()
    doubler.gate.set()
    assert await stays == [4]
    await first
    assert doubler.calls == [1, 1]


async def test_a_call_that_does_not_end_is_ended_when_nobody_waits_for_it(folder: Path) -> None:
    opened = open_version(put(folder, "endless", 1, endless(), toml="batches = true"), 1)
    queue = batches(opened)
    asked = asyncio.create_task(queue.run(opened.predict, {"x": np.ones(1, dtype=np.float32)}, 1))
    await until(lambda: bool(queue._working))
    await asyncio.sleep(0.05)
    asked.cancel()
    found = await asyncio.wait_for(queue.run(opened.predict, {"x": np.zeros(1, dtype=np.float32)}, 1), 20)
    assert found["y"].tolist() == [0.0]


async def test_a_request_without_an_answer_ends_with_the_name_of_its_limit() -> None:
    doubler = Doubler()
    opened = doubler.opened
    queue = batches(opened, timeout=0.05)
    doubler.gate.clear()
    with pytest.raises(LimitExceeded, match=r"no answer within 0.05 s; .* raise \[inference\] timeout"):
        await ask(queue, opened, 1)
    doubler.gate.set()
    assert await ask(queue, opened, 2) == [4]


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    most=st.integers(1, 8),
    threads=st.integers(1, 3),
)
async def test_everyone_gets_their_own_rows(sizes: list[int], most: int, threads: int) -> None:
    doubler = Doubler()
    opened = doubler.opened
    queue = batches(opened, batch=InferenceBatch(rows=most), threads=threads)
    asked = [[float(100 * at + n) for n in range(size)] for at, size in enumerate(sizes)]
    answers = await asyncio.gather(*(ask(queue, opened, *values) for values in asked))
    assert answers == [[2 * value for value in values] for values in asked]
    assert sum(doubler.calls) == sum(sizes)
    assert max(doubler.calls) <= max(most, *sizes)
