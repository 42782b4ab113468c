"""The executor of steps that are plain functions: bounded, and it never keeps the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest

from runtime.graphs.threads import StepThreads

HANGING = """
import asyncio, threading, time
from runtime.graphs.threads import StepThreads

async def main():
    asyncio.get_running_loop().set_default_executor(StepThreads(2))
    asyncio.ensure_future(asyncio.to_thread(time.sleep, 3600))
    await asyncio.sleep(0.05)

asyncio.run(main())
print("ended")
"""


def test_calls_give_what_they_return_or_raise() -> None:
    threads = StepThreads(2)
    assert threads.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(5)


def test_no_more_calls_run_at_once_than_the_limit() -> None:
    threads, gate, running = StepThreads(3), threading.Event(), threading.Semaphore(0)

    def call() -> None:
        running.release()
        gate.wait(5)

    calls = [threads.submit(call) for _ in range(8)]
    for _ in range(3):
        assert running.acquire(timeout=5)
    assert not running.acquire(timeout=0.05)
    gate.set()
    assert not wait(calls, 5).not_done


def test_a_call_that_was_cancelled_before_its_turn_never_runs() -> None:
    threads, gate = StepThreads(1), threading.Event()
    ran: list[int] = []
    first = threads.submit(gate.wait, 5)
    second = threads.submit(ran.append, 1)
    assert second.cancel()
    gate.set()
    first.result(5)
    assert threads.submit(len, ran).result(5) == 0


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, timeout=30, check=False)
    assert ended.stdout == b"ended\n"
