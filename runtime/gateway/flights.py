"""Identical requests that are under way at the same time share one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Generic

from runtime.gateway.asking import P

Key = tuple[str, str, bytes]
"""Tenant, alias and fingerprint."""


class Flight(Generic[P]):
    """One answer on its way to all who asked for it.  It ends when the last of them has left."""

    def __init__(self, pieces: AsyncGenerator[P, None], ended: Callable[[], None]) -> None:
        self._pieces: list[P] = []
        self._more = asyncio.Event()
        self._error: BaseException | None = None
        self._passengers = 0
        self._ended = ended
        self._task = asyncio.create_task(self._fly(pieces), name="model answer")

    async def follow(self) -> AsyncGenerator[P, None]:
        """Yield the answer from its beginning."""
        self._passengers += 1
        seen = 0
        try:
            while True:
                while seen < len(self._pieces):
                    seen += 1
                    yield self._pieces[seen - 1]
                if self._task.done():
                    break
                await self._more.wait()
            if self._error is not None:
                # One error for all: without this its traceback would grow with each of them.
                raise self._error.with_traceback(None)
        finally:
            self._passengers -= 1
            if not self._passengers and not self._task.done():
                self._ended()  # at once: nobody may board what is being cancelled
                self._task.cancel()
                await asyncio.wait([self._task])

    async def _fly(self, pieces: AsyncGenerator[P, None]) -> None:
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    self._pieces.append(piece)
                    self._wake()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._error = error
        finally:
            self._ended()
            # The last turn of those who follow comes after this task has ended.
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


class Flights:
    """Those that are under way."""

    def __init__(self) -> None:
        self._flying: dict[Key, Flight[Any]] = {}

    def under_way(self, key: Key) -> bool:
        """Whether such an answer is on its way."""
        return key in self._flying

    async def join(self, key: Key, depart: Callable[[], AsyncGenerator[P, None]]) -> AsyncGenerator[P, None]:
        """Yield the answer that is on its way for this key, else the one that `depart` begins."""
        flight: Flight[P] | None = self._flying.get(key)
        if flight is None:
            made = Flight(depart(), lambda: self._land(key, made))
            flight = self._flying[key] = made
        async with aclosing(flight.follow()) as pieces:
            async for piece in pieces:
                yield piece

    def _land(self, key: Key, flight: Flight[Any]) -> None:
        if self._flying.get(key) is flight:
            del self._flying[key]
