"""The object under test, called as the hub calls it: plain methods in a thread, pieces one by one."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from hubbub.testing.context import FakeContext
from runtime.extensions.failures import in_words, line_in, place
from runtime.extensions.threads import Threads

_END = object()


class CallFailed(AssertionError):
    """A call that must succeed has not."""


class Subject:
    """One object, and the file whose lines its failures are told by."""

    def __init__(self, value: Any, file: str) -> None:
        self.value, self.file = value, file
        self.contexts: list[FakeContext] = []
        self._threads = Threads()

    def has(self, method: str) -> bool:
        """Whether it has an optional method."""
        return callable(getattr(self.value, method, None))

    async def raw(self, method: str, *args: Any) -> Any:
        """Call a method; whatever it raises goes through."""
        function = getattr(self.value, method)
        if inspect.iscoroutinefunction(function):
            return await function(*args)
        result = await self._threads.run(function, *args)
        return await result if inspect.isawaitable(result) else result

    async def call(self, method: str, *args: Any) -> Any:
        """Call a method that must not fail; CallFailed says where it did."""
        try:
            return await self.raw(method, *args)
        except Exception as error:
            raise self.failed(method, error) from error

    async def stream(self, method: str, *args: Any) -> AsyncGenerator[Any, None]:
        """Yield what a method yields; CallFailed when it fails."""
        try:
            pieces = await self._pieces(method, args)
            if not hasattr(pieces, "aclose"):
                async for piece in pieces:
                    yield piece
                return
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece
        except Exception as error:
            raise self.failed(method, error) from error

    def failed(self, method: str, error: Exception) -> CallFailed:
        """Say where and how a method failed."""
        where = place(self.file, line_in(error, self.file))
        return CallFailed(f"{method} failed at {where}: {in_words(error)}; mend that")

    async def _pieces(self, method: str, args: tuple[Any, ...]) -> AsyncIterator[Any]:
        function = getattr(self.value, method)
        made = function(*args) if inspect.isasyncgenfunction(function) else await self.raw(method, *args)
        return aiter(made) if hasattr(made, "__aiter__") else self._in_thread(iter(made))

    async def _in_thread(self, pieces: Iterator[Any]) -> AsyncGenerator[Any, None]:
        while (piece := await self._threads.run(next, pieces, _END)) is not _END:
            yield piece
