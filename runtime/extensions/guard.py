"""Every call of a plugin passes here: it ends in time, and fails with a sentence that names the plugin."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from runtime.errors import HubbubError, PluginError
from runtime.extensions.catalog import Registered
from runtime.extensions.deadline import GRACE, Deadline
from runtime.extensions.failures import in_words, line_in, place
from runtime.extensions.threads import Threads
from runtime.telemetry import get_logger

_END = object()

_log = get_logger(__name__)


async def call(registered: Registered, method: str, *args: Any, deadline: float) -> Any:
    """Call a method, in a thread when it is a plain function, and return its result.

    `deadline` is on the clock of `time.monotonic()`; the plugin's own may be earlier.  PluginError when
    it fails or takes too long; a HubbubError that the plugin raises passes unchanged.
    """
    with _counted(registered), _Limit(registered, deadline) as limit:
        return await limit.wait(_invoke(registered, method, args))


async def stream(
    registered: Registered, method: str, *args: Any, deadline: float
) -> AsyncGenerator[Any, None]:
    """Yield what the method yields, all of it before the deadline.  Errors as in `call`.

    Leaving early closes the plugin's own generator.
    """
    with _counted(registered), _Limit(registered, deadline) as limit:
        pieces = None
        try:
            pieces = await limit.wait(_open(registered, method, args))
            while (piece := await limit.wait(anext(pieces, _END))) is not _END:
                yield piece
        finally:
            if pieces is not None and not limit.deaf:
                await _close(registered, pieces)


async def _invoke(registered: Registered, method: str, args: tuple[Any, ...]) -> Any:
    function = getattr(registered.value, method)
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    result = await registered.threads.run(function, *args)
    return await result if inspect.isawaitable(result) else result


async def _open(registered: Registered, method: str, args: tuple[Any, ...]) -> AsyncIterator[Any]:
    """Return the iterator of a stream; the pieces of a plain generator are made in a thread."""
    function = getattr(registered.value, method)
    if inspect.isasyncgenfunction(function):
        made = function(*args)
    else:
        made = await _invoke(registered, method, args)
    if hasattr(made, "__aiter__"):
        return aiter(made)
    return _in_thread(registered.threads, iter(made))


async def _in_thread(threads: Threads, pieces: Iterator[Any]) -> AsyncIterator[Any]:
    try:
        while (piece := await threads.run(next, pieces, _END)) is not _END:
            yield piece
    finally:
        if (close := getattr(pieces, "close", None)) is not None:
            await threads.run(close)


async def _close(registered: Registered, pieces: AsyncIterator[Any]) -> None:
    """End the plugin's generator; what goes wrong there is the log's business, not the caller's."""
    aclose = getattr(pieces, "aclose", None)
    if aclose is None:
        return
    limit = Deadline(time.monotonic() + GRACE)
    try:
        await limit.wait(aclose())
    except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        reason = in_words(error)
        _log.warning("plugin did not end its stream in order", plugin=registered.plugin.name, reason=reason)
    finally:
        limit.close()


class _Limit:
    """The deadline of one call, and the words for what goes wrong until it ends."""

    __slots__ = ("_begun", "_deadline", "_registered", "_when")

    def __init__(self, registered: Registered, when: float) -> None:
        self._registered = registered
        self._begun = time.monotonic()
        self._when = min(when, self._begun + registered.deadline)

    def __enter__(self) -> Deadline:
        if self._registered.plugin.missing_secret is not None:
            # One error object for all calls: without this its traceback would grow with each of them.
            raise self._registered.plugin.missing_secret.with_traceback(None)
        if self._when <= self._begun:
            raise self._late()
        self._deadline = Deadline(self._when)
        return self._deadline

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._deadline.close()
        passed = (HubbubError, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)
        if error is None or isinstance(error, passed):
            return
        if isinstance(error, TimeoutError) and self._deadline.expired:
            raise self._late() from None
        raise self._failed(error) from error

    def _late(self) -> PluginError:
        found = self._registered
        if self._when == self._begun + found.deadline:
            words = (
                f"gave no answer within {found.deadline:g} s; make it quicker, "
                f"or raise [plugins.{found.plugin.name}.host] deadline"
            )
        else:
            words = "was not done when the time of what asked for it was over; give that more time"
        return PluginError(f"{found.kind}.{found.name} {words}.", plugin=found.plugin.name)

    def _failed(self, error: BaseException) -> PluginError:
        found = self._registered
        module = sys.modules.get(found.plugin.module)
        line = line_in(error, getattr(module, "__file__", None) or found.plugin.file)
        where = place(found.plugin.file, line)
        _log.debug("plugin call failed", plugin=found.plugin.name, exc_info=error)
        return PluginError(
            f"{found.kind}.{found.name} failed at {where}: {in_words(error)}; "
            "mend the plugin, or what it was given.",
            plugin=found.plugin.name,
        )


@contextmanager
def _counted(registered: Registered) -> Iterator[None]:
    """Count the call, as failed for any error; a caller who leaves is no failure."""
    failed = False
    try:
        yield
    except Exception:
        failed = True
        raise
    finally:
        if registered.metrics is not None:
            registered.metrics.plugin_call(registered.plugin.name, failed=failed)
