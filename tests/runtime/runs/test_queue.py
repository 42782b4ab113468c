"""Turns are granted first come first served, one at a time on a thread, so many at once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Overloaded
from runtime.runs.queue import RunQueue, Turn


@given(
    st.lists(st.tuples(st.sampled_from(["enter", "leave"]), st.integers(0, 3)), max_size=60),
    st.integers(1, 3),
)
def test_any_sequence_keeps_the_bounds_and_the_order(moves: list[tuple[str, int]], concurrency: int) -> None:
    async def play() -> None:
        queue = RunQueue(concurrency, limit=4)
        inside: list[Turn] = []
        for move, number in moves:
            if move == "enter":
                try:
                    inside.append(queue.enter(f"t{number}"))
                except Overloaded:
                    assert len(queue) == 4
            elif inside:
                queue.leave(inside.pop(number % len(inside)))
            running = [turn.thread for turn in inside if turn.granted]
            waiting = [turn.thread for turn in inside if not turn.granted]
            assert len(running) == len(set(running)) <= concurrency
            assert len(waiting) == len(queue)
            if len(running) < concurrency:
                assert set(waiting) <= set(running), "a place is free, and nobody whose thread is free waits"
            for thread in {turn.thread for turn in inside}:
                granted = [turn.granted for turn in inside if turn.thread == thread]
                assert granted == sorted(granted, reverse=True), "the first on a thread goes first"
                assert queue.busy(thread)

    asyncio.run(play())


async def test_a_full_queue_refuses_with_a_sentence_and_a_time() -> None:
    queue = RunQueue(1, limit=1)
    queue.enter("a")
    queue.enter("b")
    with pytest.raises(Overloaded, match="waiting already") as refused:
        queue.enter("c")
    assert refused.value.retry_after > 0


async def test_a_run_from_before_a_restart_is_never_refused() -> None:
    queue = RunQueue(1, limit=0)
    queue.enter("a")
    turn = queue.enter("b", bounded=False)
    assert not turn.granted


async def test_leaving_twice_gives_one_place_back() -> None:
    queue = RunQueue(1, limit=9)
    first, second, third = queue.enter("a"), queue.enter("b"), queue.enter("c")
    queue.leave(first)
    queue.leave(first)
    assert (second.granted, third.granted) == (True, False)


async def test_what_is_in_the_background_goes_last_and_is_never_refused() -> None:
    queue = RunQueue(1, limit=1)
    first = queue.enter("a")
    behind = [queue.enter(f"b{number}", background=True) for number in range(3)]
    asked = queue.enter("c")
    with pytest.raises(Overloaded):
        queue.enter("d")
    assert len(queue) == 4
    queue.leave(first)
    assert asked.granted
    assert not any(turn.granted for turn in behind)
    queue.leave(behind[0])
    queue.leave(asked)
    assert [turn.granted for turn in behind] == [False, True, False]
