"""Every call of a plugin passes here: it ends in time, and fails with a sentence that names the plugin."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from time import monotonic
from typing import Any

from runtime.errors import HubbubError, PluginError
from runtime.extensions.catalog import Registered, Way
from runtime.extensions.deadline import CANCELLED_ITSELF, GRACE, TURN, Deadline
from runtime.extensions.failures import Failed, in_words, line_in, place
from runtime.extensions.results import check_of
from runtime.extensions.threads import Threads
from runtime.telemetry import get_logger

MOST_PIECES = 200_000
"""Pieces of one stream, about; no answer is that long, and someone may keep them all."""

_END = object()

_log = get_logger(__name__)


async def call(registered: Registered, method: str, *args: Any, deadline: float) -> Any:
    """Call a method, in a thread when it is a plain function, and return its result.

    `deadline` is on the clock of `time.monotonic()`; the plugin's own may be earlier.  PluginError when
    it fails, takes too long, returns what its Protocol does not say, or is left alone for a while; a
    HubbubError that the plugin raises passes unchanged.
    """
    made = _Call(registered, args, deadline)
    try:
        if not made.number:
            await made.turn()
        function, kind, misfit = made.found.ways.get(method) or _way(made.found, method)
        steps = function(*args) if kind == "coroutine" else _invoke(made.found.host.threads, function, args)
        try:
            waited_for = steps.send(None)
        except StopIteration as done:
            result = done.value
        else:
            result = await made.limit.drive(steps, waited_for)
    except BaseException as error:
        made.fail(error)
        raise
    finally:
        made.end()
    if misfit is not None and (words := misfit(result)):
        raise made.nonsense(function, words)
    made.succeed()
    return result


async def stream(
    registered: Registered, method: str, *args: Any, deadline: float
) -> AsyncGenerator[Any, None]:
    """Yield what the method yields, all of it before the deadline.  Errors as in `call`.

    Leaving early closes the plugin's own generator.
    """
    made = _Call(registered, args, deadline)
    limit, pieces, quick, count = made.limit, None, 0, 0
    try:
        if not made.number:
            await made.turn()
        pieces = await limit.wait(_open(made.found, method, args))
        after, awaitable = pieces.__anext__, not inspect.isasyncgen(pieces)
        while True:
            steps: Any = after().__await__() if awaitable else after()
            try:
                waited_for = steps.send(None)
            except StopIteration as done:
                if (quick := quick + 1) < TURN:
                    yield done.value
                    continue
                piece, count, quick = done.value, count + TURN, 0
                # A stream that never waits would keep the loop, and with it every timer, to itself.
                await limit.wait(asyncio.sleep(0))
            else:
                piece, count = await limit.drive(steps, waited_for), count + 1
            _refuse_endless(count)
            yield piece
    except StopAsyncIteration:
        pass
    except BaseException as error:
        made.fail(error)
        raise
    finally:
        try:
            if pieces is not None and not limit.deaf:
                await _close(registered, pieces)
        finally:
            made.end()
    made.succeed()


def _refuse_endless(count: int) -> None:
    if count > MOST_PIECES:
        raise OverflowError(f"it yielded {count} pieces and did not end")


def _way(registered: Registered, method: str) -> Way:
    """Find out how a method is called."""
    function = getattr(registered.value, method)
    check = check_of(registered.kind, method)
    if inspect.iscoroutinefunction(function):
        way = Way(function, "coroutine", check)
    else:
        way = Way(function, "generator" if inspect.isasyncgenfunction(function) else "plain", check)
    registered.ways[method] = way
    return way


async def _invoke(threads: Threads, function: Any, args: tuple[Any, ...]) -> Any:
    result = await threads.run(function, *args)
    return await result if inspect.isawaitable(result) else result


async def _open(registered: Registered, method: str, args: tuple[Any, ...]) -> AsyncIterator[Any]:
    """Return the iterator of a stream; the pieces of a plain generator are made in a thread."""
    function, kind, _ = registered.ways.get(method) or _way(registered, method)
    threads = registered.host.threads
    if kind == "generator":
        made = function(*args)
    elif kind == "coroutine":
        made = await function(*args)
    else:
        made = await _invoke(threads, function, args)
    return aiter(made) if hasattr(made, "__aiter__") else _in_thread(threads, iter(made))


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
    limit = Deadline(monotonic() + GRACE)
    try:
        await limit.wait(aclose())
    except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        reason = in_words(error)
        _log.warning("plugin did not end its stream in order", plugin=registered.plugin.name, reason=reason)
    finally:
        limit.close()


class _Call:
    """One call: whether it may be made, until when, and the words for what goes wrong until it ends."""

    __slots__ = ("_begun", "_tenant", "_when", "found", "limit", "number")

    def __init__(self, registered: Registered, args: tuple[Any, ...], when: float) -> None:
        self.found = found = registered if registered.host.successors is None else registered.newest
        host = found.host
        self._begun = begun = monotonic()
        self._when = when = min(when, begun + host.deadline)
        self._tenant: str = getattr(args[-1], "tenant", "") if args else ""
        if found.plugin.missing_secret is not None:
            # One error object for all calls: without this its traceback would grow with each of them.
            raise found.plugin.missing_secret.with_traceback(None)
        if when <= begun:
            raise self._late()
        if host.ailing and (refused := host.refusal(self._tenant)):
            raise self._resting(*refused)
        self.limit = Deadline(when)
        self.number = 0 if len(host.active) >= host.concurrency else host.enter()

    async def turn(self) -> None:
        """Wait until the plugin takes one more call."""
        self.number = await self.limit.wait(self.found.host.turn())

    def end(self) -> None:
        """Give its room to the next one."""
        self.limit.close()
        host = self.found.host
        host.tally.calls += 1
        if self.number:
            host.leave(self.number)

    def succeed(self) -> None:
        """Take note that the plugin works."""
        if self.found.host.ailing:
            self.found.host.succeeded(self._tenant)

    def fail(self, error: BaseException) -> None:
        """Count a failure, and raise it in words; what says itself what to do goes through."""
        if isinstance(error, GeneratorExit | KeyboardInterrupt):
            return  # a caller who leaves is no failure
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or task.cancelling():
                return
            error = RuntimeError(CANCELLED_ITSELF)
        self.found.host.tally.failures += 1
        if isinstance(error, Failed):
            self.found.host.failed(self._tenant, error.message)
        elif not isinstance(error, HubbubError):
            raise self._told(error) from (None if isinstance(error, TimeoutError) else error)

    def _told(self, error: BaseException) -> PluginError:
        """Return the failure in words, and count it where it is the plugin's own."""
        if not (isinstance(error, TimeoutError) and self.limit.expired):
            told = self._failed(error)
        elif not self.number:
            return self._crowded()
        else:
            told = self._late()
            if self.limit.deaf:
                _log.warning("plugin ignores its cancellation", plugin=told.plugin, reason=told.message)
            if self._when != self._begun + self.found.host.deadline:
                return told  # others had not left it its time
        self.found.host.failed(self._tenant, told.message)
        return told

    def nonsense(self, function: Any, words: str) -> PluginError:
        """Return the failure of a call whose result is not what was agreed, and count it."""
        found = self.found
        code = getattr(inspect.unwrap(function), "__code__", None)
        where = place(found.plugin.file, code.co_firstlineno if code else 0)
        message = f"{found.kind}.{found.name} at {where} {words}."
        found.host.tally.failures += 1
        found.host.failed(self._tenant, message)
        return PluginError(message, plugin=found.plugin.name)

    def _late(self) -> PluginError:
        found, own = self.found, self.found.host.deadline
        if self._when == self._begun + own:
            words = (
                f"gave no answer within {own:g} s; make it quicker, "
                f"or raise [plugins.{found.plugin.name}.host] deadline"
            )
        else:
            words = "was not done when the time of what asked for it was over; give that more time"
        return PluginError(f"{found.kind}.{found.name} {words}.", plugin=found.plugin.name)

    def _crowded(self) -> PluginError:
        found = self.found
        words = (
            f"{found.kind}.{found.name} has had {found.host.concurrency} calls at work and none of "
            f"them ended in time; make it quicker, or raise [plugins.{found.plugin.name}.host] concurrency."
        )
        return PluginError(words, plugin=found.plugin.name)

    def _resting(self, seconds: float, reason: str) -> PluginError:
        found = self.found
        words = (
            f"{found.kind}.{found.name} is left alone for another {seconds:.1f} s, because "
            f"{reason.rstrip('.')}; mend the plugin {found.plugin.file}, or wait."
        )
        return PluginError(words, plugin=found.plugin.name)

    def _failed(self, error: BaseException) -> PluginError:
        found = self.found
        module = sys.modules.get(found.plugin.module)
        line = line_in(error, getattr(module, "__file__", None) or found.plugin.file)
        where = place(found.plugin.file, line)
        _log.debug("plugin call failed", plugin=found.plugin.name, exc_info=error)
        return PluginError(
            f"{found.kind}.{found.name} failed at {where}: {in_words(error)}; "
            "mend the plugin, or what it was given.",
            plugin=found.plugin.name,
        )
