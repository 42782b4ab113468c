"""Whoever holds up the event loop is found while it does so."""

import asyncio
import gc
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.extensions.host import Host
from runtime.extensions.stalls import StallWatch

BLOCKING = """
def block(done):
    while not done():
        pass
"""


@pytest.fixture
async def watch(tmp_path: Path) -> Any:
    """A watch over the running loop, which knows one plugin."""
    host, file = Host("fit"), str(tmp_path / "fit.py")
    made = StallWatch(lambda name: (host, "plugins/fit.py") if name == file else None)
    made.start()
    yield types.SimpleNamespace(host=host, file=file)
    made.stop()


@pytest.fixture
def patience() -> Iterator[threading.Timer]:
    """Lets a test that finds nothing fail instead of hang."""
    timer = threading.Timer(20, lambda: None)
    timer.start()
    yield timer
    timer.cancel()


def _block_of(file: str) -> Callable[[Callable[[], bool]], None]:
    made: dict[str, Any] = {}
    exec(compile(BLOCKING, file, "exec"), made)
    return made["block"]  # type: ignore[no-any-return]


async def test_a_plugin_at_work_while_the_loop_stands_still_is_named_with_its_line(
    watch: Any, patience: threading.Timer
) -> None:
    _block_of(watch.file)(lambda: bool(watch.host.resting) or not patience.is_alive())
    assert watch.host.resting.startswith("it holds up the hub at plugins/fit.py:3, ")


async def test_it_is_found_under_the_library_that_it_calls(watch: Any, patience: threading.Timer) -> None:
    def library(done: Callable[[], bool]) -> bool:
        while not done():
            pass
        return True

    block = _block_of(watch.file)
    block(lambda: library(lambda: bool(watch.host.resting) or not patience.is_alive()))
    assert watch.host.resting.startswith("it holds up the hub at plugins/fit.py:3, ")


async def test_a_loop_that_turns_names_nobody(watch: Any) -> None:
    block = _block_of(watch.file)
    for _ in range(50):
        block(lambda: True)
        await asyncio.sleep(0.002)
    assert watch.host.resting == ""


async def test_a_crowd_of_short_turns_names_nobody(watch: Any) -> None:
    """As when many answers come at the same moment: all of them together take long, none of them does."""
    block, loop = _block_of(watch.file), asyncio.get_running_loop()

    def turn() -> None:
        until = time.monotonic() + 0.002
        block(lambda: time.monotonic() >= until)

    for _ in range(5):
        for _ in range(100):
            loop.call_soon(turn)
        await asyncio.sleep(0)
    assert watch.host.resting == ""


async def test_an_import_is_no_reason_to_rest(
    watch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "heavy_package.py").write_text("import time\ntime.sleep(0.3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    made: dict[str, Any] = {}
    exec(compile("def load():\n    import heavy_package\n", watch.file, "exec"), made)
    with caplog.at_level("INFO"):
        made["load"]()
    assert watch.host.resting == ""
    assert "plugin imports while the hub waits" in caplog.text


async def test_the_garbage_collector_is_nobodys_fault(watch: Any) -> None:
    def slow(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            time.sleep(0.3)

    made: dict[str, Any] = {}
    exec(compile("import gc\ndef collect():\n    gc.collect()\n", watch.file, "exec"), made)
    gc.callbacks.append(slow)
    try:
        made["collect"]()
    finally:
        gc.callbacks.remove(slow)
    assert watch.host.resting == ""
