"""A call of a plugin ends in time, and its failure names the plugin, its file and its line."""

import asyncio
import gc
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from runtime.errors import MissingSecret, NotFound, PluginError
from runtime.extensions import deadline as deadlines
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, Registered
from runtime.telemetry.metrics import Metrics

Make = Callable[..., Registered]


def _soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


class Fit:
    """What can happen in one call."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.release = threading.Event()

    async def double(self, number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    def thread(self) -> str:
        return threading.current_thread().name

    def later(self) -> Any:
        return self.double(4)

    async def fail(self) -> None:
        raise ValueError("the sky is\ngreen.")

    async def refuse(self) -> None:
        raise NotFound("There is no such lead; look it up.")

    async def leave(self) -> None:
        sys.exit(3)

    def leave_thread(self) -> None:
        raise SystemExit(3)

    def stop_iteration(self) -> None:
        raise StopIteration

    async def cancel_itself(self) -> None:
        raise asyncio.CancelledError

    async def hang(self) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            self.seen.append("cleaned up")

    def block(self) -> None:
        self.release.wait(60)

    async def deaf(self) -> str:
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                self.seen.append("heard")

    async def spoken(self) -> None:
        raise TimeoutError("the vendor is slow")

    async def count(self, last: int) -> AsyncIterator[int]:
        try:
            for number in range(last):
                yield number
        finally:
            self.seen.append("closed")

    def plain_count(self, last: int) -> Iterator[int]:
        try:
            yield from range(last)
        finally:
            self.seen.append(f"closed in {threading.current_thread().name}")

    def returned_count(self, last: int) -> AsyncIterator[int]:
        return self.count(last)

    async def break_off(self) -> AsyncIterator[int]:
        yield 1
        raise ConnectionError("cut")

    async def stall(self) -> AsyncIterator[int]:
        yield 1
        await self.hang()

    async def endless(self) -> AsyncIterator[int]:
        while True:
            yield 1

    async def stays(self) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            yield 2


@pytest.fixture
def found(scorer: Make) -> Iterator[Registered]:
    """A registered object whose blocked threads end with the test."""
    made = scorer(Fit())
    yield made
    made.value.release.set()


async def test_a_coroutine_is_awaited(found: Registered) -> None:
    assert await guard.call(found, "double", 21, deadline=_soon()) == 42


async def test_a_plain_function_runs_in_a_thread_of_the_plugin(found: Registered) -> None:
    assert await guard.call(found, "thread", deadline=_soon()) == "hubbub-plugin"


async def test_a_plain_function_may_return_a_coroutine(found: Registered) -> None:
    assert await guard.call(found, "later", deadline=_soon()) == 8


async def test_a_failure_names_the_plugin_and_its_line(load: Callable[..., Catalog]) -> None:
    text = """
    from hubbub import hookimpl
    class Fit:
        name = "fit"
        async def score(self, item, ctx):
            return item["employees"]
    @hookimpl
    def register_scorers(): return [Fit()]
    """
    scorer = load(fit=text).get("scorer", "fit")
    assert scorer is not None
    with pytest.raises(PluginError) as caught:
        await guard.call(scorer, "score", {}, None, deadline=_soon())
    assert str(caught.value) == (
        "scorer.fit failed at plugins/fit.py:6: KeyError: 'employees'; mend the plugin, or what it was given."
    )
    assert caught.value.plugin == "fit"


async def test_a_failure_is_one_sentence_on_one_line(found: Registered) -> None:
    with pytest.raises(PluginError, match=r"ValueError: the sky is green; ") as caught:
        await guard.call(found, "fail", deadline=_soon())
    assert "\n" not in str(caught.value)


async def test_an_error_of_ours_passes_unchanged(found: Registered) -> None:
    with pytest.raises(NotFound, match="There is no such lead"):
        await guard.call(found, "refuse", deadline=_soon())


@pytest.mark.parametrize("method", ["leave", "leave_thread"])
async def test_sys_exit_ends_the_call_and_not_the_hub(found: Registered, method: str) -> None:
    with pytest.raises(PluginError, match=r"it called sys\.exit"):
        await guard.call(found, method, deadline=_soon())


@pytest.mark.parametrize("method", ["stop_iteration", "cancel_itself"])
async def test_what_would_confuse_a_caller_is_a_plain_failure(found: Registered, method: str) -> None:
    with pytest.raises(PluginError):
        await guard.call(found, method, deadline=_soon())


async def test_a_call_that_hangs_is_cancelled_at_the_plugins_deadline(scorer: Make) -> None:
    found = scorer(Fit(), deadline=0.02)
    with pytest.raises(
        PluginError, match=r"within 0\.02 s; make it quicker, or raise \[plugins\.fit\.host\] deadline"
    ):
        await guard.call(found, "hang", deadline=_soon())
    assert found.value.seen == ["cleaned up"]


async def test_the_callers_deadline_counts_when_it_is_earlier(found: Registered) -> None:
    with pytest.raises(PluginError, match="when the time of what asked for it was over"):
        await guard.call(found, "hang", deadline=_soon(0.02))


async def test_a_call_that_begins_too_late_is_not_made(found: Registered) -> None:
    with pytest.raises(PluginError, match="was over"):
        await guard.call(found, "hang", deadline=time.monotonic() - 1)
    assert found.value.seen == []


async def test_a_blocking_function_keeps_its_thread_but_not_its_caller(scorer: Make) -> None:
    found = scorer(Fit(), deadline=0.05)
    with pytest.raises(PluginError, match="gave no answer within"):
        await guard.call(found, "block", deadline=_soon())
    assert not found.value.release.is_set()
    found.value.release.set()


async def test_a_coroutine_deaf_to_cancellation_is_left_behind(
    scorer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines.Deadline.__init__, "__kwdefaults__", {"grace": 0.02})
    found = scorer(Fit(), deadline=0.02)
    with pytest.raises(PluginError, match="gave no answer within"):
        await guard.call(found, "deaf", deadline=_soon())
    assert found.value.seen == ["heard"]


async def test_a_timeout_of_the_plugins_own_is_its_failure(found: Registered) -> None:
    with pytest.raises(PluginError, match="TimeoutError: the vendor is slow"):
        await guard.call(found, "spoken", deadline=_soon())


async def test_cancelling_the_caller_cancels_the_plugin(found: Registered) -> None:
    task = asyncio.create_task(guard.call(found, "hang", deadline=_soon()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found.value.seen == ["cleaned up"]


async def test_without_its_secret_every_call_says_which_one(scorer: Make) -> None:
    found = scorer(Fit(), info={"missing_secret": MissingSecret("CRM_KEY", needed_by="[plugins.fit] key")})
    for _ in range(2):
        with pytest.raises(MissingSecret, match="CRM_KEY"):
            await guard.call(found, "double", 1, deadline=_soon())
        with pytest.raises(MissingSecret, match="CRM_KEY"):
            await anext(guard.stream(found, "count", 1, deadline=_soon()))


async def test_calls_are_counted_and_so_are_failures(found: Registered) -> None:
    await guard.call(found, "double", 1, deadline=_soon())
    with pytest.raises(PluginError):
        await guard.call(found, "fail", deadline=_soon())
    async for _ in guard.stream(found, "count", 2, deadline=_soon()):
        pass
    assert (found.host.tally.calls, found.host.tally.failures) == (3, 1)


async def test_a_caller_who_leaves_is_no_failure(found: Registered) -> None:
    async with aclosing(guard.stream(found, "endless", deadline=_soon())) as pieces:
        await anext(pieces)
    assert (found.host.tally.calls, found.host.tally.failures) == (1, 0)


async def test_the_real_metrics_take_the_counts(scorer: Make) -> None:
    metrics = Metrics()
    await guard.call(scorer(Fit(), metrics=metrics), "double", 1, deadline=_soon())
    assert b'hubbub_plugin_calls_total{plugin="fit"} 1.0' in metrics.render()


@pytest.mark.parametrize("method", ["count", "plain_count", "returned_count"])
async def test_a_stream_yields_every_piece_in_order(found: Registered, method: str) -> None:
    assert [piece async for piece in guard.stream(found, method, 5, deadline=_soon())] == [0, 1, 2, 3, 4]


async def test_leaving_a_stream_closes_the_plugins_generator(found: Registered) -> None:
    async with aclosing(guard.stream(found, "count", 5, deadline=_soon())) as pieces:
        assert await anext(pieces) == 0
        assert found.value.seen == []
    assert found.value.seen == ["closed"]


async def test_leaving_a_plain_generator_closes_it_in_a_thread(found: Registered) -> None:
    async with aclosing(guard.stream(found, "plain_count", 5, deadline=_soon())) as pieces:
        assert await anext(pieces) == 0
    assert found.value.seen == ["closed in hubbub-plugin"]


async def test_a_stream_that_breaks_off_fails_after_its_pieces(found: Registered) -> None:
    pieces = guard.stream(found, "break_off", deadline=_soon())
    assert await anext(pieces) == 1
    with pytest.raises(PluginError, match="ConnectionError: cut"):
        await anext(pieces)


async def test_the_deadline_of_a_stream_spans_all_its_pieces(scorer: Make) -> None:
    found = scorer(Fit(), deadline=0.05)
    pieces = guard.stream(found, "stall", deadline=_soon())
    assert await anext(pieces) == 1
    with pytest.raises(PluginError, match="gave no answer within"):
        await anext(pieces)
    assert found.value.seen == ["cleaned up"]


async def test_a_stream_that_never_waits_is_stopped_too(scorer: Make) -> None:
    """It also leaves the event loop time for others."""
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    with pytest.raises(PluginError, match="gave no answer within"):
        async for _ in guard.stream(scorer(Fit(), deadline=0.05), "endless", deadline=_soon()):
            pass
    task.cancel()
    assert others > 1


async def test_a_stream_of_too_many_pieces_is_broken_off(
    found: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_PIECES", 1000)
    with pytest.raises(PluginError, match="pieces and did not end"):
        async for _ in guard.stream(found, "endless", deadline=_soon()):
            pass


async def test_a_generator_that_will_not_end_harms_nobody(found: Registered) -> None:
    async with aclosing(guard.stream(found, "stays", deadline=_soon())) as pieces:
        assert await anext(pieces) == 1


async def test_cancelling_the_reader_of_a_stream_closes_it(found: Registered) -> None:
    async def read() -> None:
        async for _ in guard.stream(found, "stall", deadline=_soon()):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found.value.seen == ["cleaned up"]


async def test_calls_leave_no_timers_behind(found: Registered) -> None:
    loop: Any = asyncio.get_running_loop()
    for _ in range(3):
        await guard.call(found, "double", 1, deadline=_soon())
        _ = [piece async for piece in guard.stream(found, "count", 3, deadline=_soon())]
    gc.collect()
    assert [
        handle for handle in loop._scheduled if not handle.cancelled() and "Deadline" in repr(handle)
    ] == []
