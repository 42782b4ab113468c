"""Searches wait for the vectors together, as long as that is worth it, and each process opens its own."""

import asyncio
from typing import Any

import pytest

from runtime.errors import StorageError
from runtime.search.opening import Opening


class Process:
    """A search process that opens its vectors when the test says so."""

    def __init__(self) -> None:
        self.pid: int | None = 1
        self.asked = 0
        self.go = asyncio.Event()
        self.broken = False

    async def ask(self, op: str, *, seconds: float) -> None:
        assert op == "warm"
        self.asked += 1
        await self.go.wait()
        if self.broken:
            raise StorageError("The folder is damaged; delete it and index again.")


def opening(process: Any) -> Opening:
    return Opening(process)


async def test_all_searches_wait_for_one_opening_and_later_ones_for_none() -> None:
    process = Process()
    vectors = opening(process)
    waiting = [asyncio.ensure_future(vectors.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    process.go.set()
    await asyncio.gather(*waiting)
    await vectors.wait()
    assert process.asked == 1


async def test_one_that_takes_too_long_is_told_and_goes_on() -> None:
    process = Process()
    vectors = opening(process)
    for _ in range(2):
        with pytest.raises(StorageError, match="still being opened; ask again"):
            await vectors.wait(0)
    process.go.set()
    await vectors.wait()
    assert process.asked == 1


async def test_a_search_that_is_given_up_does_not_end_the_opening() -> None:
    process = Process()
    vectors = opening(process)
    search = asyncio.ensure_future(vectors.wait())
    await asyncio.sleep(0)
    search.cancel()
    await asyncio.gather(search, return_exceptions=True)
    process.go.set()
    await vectors.wait()
    assert process.asked == 1


async def test_what_fails_is_told_and_tried_again() -> None:
    process = Process()
    process.broken = True
    process.go.set()
    vectors = opening(process)
    with pytest.raises(StorageError, match="damaged"):
        await vectors.wait()
    process.broken = False
    await vectors.wait()
    assert process.asked == 2


async def test_a_new_process_opens_them_anew() -> None:
    process = Process()
    process.go.set()
    vectors = opening(process)
    await vectors.wait()
    process.pid = 2
    await vectors.wait()
    assert process.asked == 2


async def test_closing_ends_an_opening_that_is_under_way() -> None:
    process = Process()
    vectors = opening(process)
    with pytest.raises(StorageError):
        await vectors.wait(0)
    await vectors.aclose()
    await vectors.aclose()
