"""Plain functions run beside the loop, in a bounded number of threads that nobody has to wait for."""

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

from runtime.extensions import threads as module
from runtime.extensions.threads import Threads

VALUE: contextvars.ContextVar[str] = contextvars.ContextVar("value", default="none")


async def test_a_function_returns_its_result_from_another_thread() -> None:
    here = threading.get_ident()
    assert await Threads().run(threading.get_ident) != here


async def test_a_function_sees_the_context_of_the_task_that_asked() -> None:
    VALUE.set("mine")
    assert await Threads().run(VALUE.get) == "mine"


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
async def test_what_it_raises_is_raised_here(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await Threads().run(fail)


async def test_no_more_threads_than_the_limit_work_at_once() -> None:
    threads, barrier, most, now = Threads(limit=2), threading.Lock(), [0], [0]

    def work() -> None:
        with barrier:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with barrier:
            now[0] -= 1

    await asyncio.gather(*(threads.run(work) for _ in range(8)))
    assert most[0] == 2


async def test_a_blocked_thread_keeps_the_others_working() -> None:
    threads, release = Threads(limit=2), threading.Event()
    blocked = asyncio.create_task(threads.run(release.wait, 60))
    assert await threads.run(int, "3") == 3
    release.set()
    assert await blocked


async def test_work_whose_caller_left_before_it_began_is_not_done() -> None:
    threads, release = Threads(limit=1), threading.Event()
    done: list[int] = []
    first = asyncio.create_task(threads.run(release.wait, 60))
    second = asyncio.create_task(threads.run(done.append, 1))
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.sleep(0)
    release.set()
    await first
    await threads.run(int)
    assert done == []


async def test_idle_threads_end_and_new_ones_take_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.01)
    threads = Threads()
    first = await threads.run(threading.current_thread)
    await asyncio.to_thread(first.join, 10)
    assert not first.is_alive()
    assert await threads.run(int, "3") == 3


def test_a_call_that_hangs_does_not_keep_the_program_from_ending() -> None:
    program = (
        "import asyncio, threading\n"
        "from runtime.extensions.threads import Threads\n"
        "async def main():\n"
        "    task = asyncio.create_task(Threads().run(threading.Event().wait))\n"
        "    await asyncio.sleep(0.05)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
