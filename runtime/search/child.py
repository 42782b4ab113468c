"""The hub's side of the search process: it starts it, asks it, and starts it again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

import runtime
from runtime.errors import StorageError
from runtime.search.wire import LENGTH, pack, unpack
from runtime.telemetry import get_logger

START_TIMEOUT = 60.0
CLOSE_TIMEOUT = 5.0
FIRST_REST, LONGEST_REST = 0.25, 30.0
"""Seconds before it is started again after the second death in a row; doubled by every further one."""
GONE = "The search process stopped"

log = get_logger("hubbub.search")


class SearchChild:
    """Owns the one search process of a workspace.  It is started when first needed.

    Every call ends: with an answer, or with a StorageError when the process dies or does not answer.
    """

    def __init__(self, workspace: Path, var: Path, overrides: Callable[[], Mapping[str, Any]]) -> None:
        self._workspace, self._var, self._overrides = workspace, var, overrides
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self._ids = itertools.count(1)
        self._starting = asyncio.Lock()
        self._deaths, self._rest_until = 0, 0.0
        self._closed = False

    @property
    def trouble(self) -> str:
        """A sentence after it died, until it runs again; "" when all is well."""
        if not self._deaths or self.pid is not None:
            return ""
        return f"{GONE} ({self._deaths} in a row); it is started again when needed, see the log."

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def ask(self, op: str, *, seconds: float, **values: Any) -> Any:
        """Send one request and return its result; StorageError after so many seconds without one.

        Asked again, once, when the process dies meanwhile: what is asked changes nothing.
        """
        try:
            async with asyncio.timeout(seconds):
                for _ in range(2):
                    async with contextlib.aclosing(self._answers(op, values)) as answers:
                        async for answer in answers:
                            if "result" in answer:
                                return answer["result"]
        except TimeoutError:
            raise StorageError(
                f"The search process did not answer within {seconds:g} s; try again."
            ) from None
        raise StorageError(f"{GONE}; try again.")

    async def stream(self, op: str, **values: Any) -> AsyncGenerator[tuple[str, Any]]:
        """Send one request; yield ("progress", …) as it comes and ("result", …) last.

        Leaving the iterator early cancels the request.
        """
        async with contextlib.aclosing(self._answers(op, values)) as answers:
            async for answer in answers:
                if "result" in answer:
                    yield "result", answer["result"]
                    return
                yield "progress", answer["progress"]
        raise StorageError(f"{GONE} before it was done; run it again, it goes on where it stopped.")

    async def _answers(self, op: str, values: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Send one request and yield its answers; they end without a result when the process dies."""
        process = await self._ensure()
        id = next(self._ids)
        answers = self._waiting[id] = asyncio.Queue()
        finished = False
        try:
            await _write(process, {"id": id, "op": op, **values})
            while not finished:
                answer = await answers.get()
                finished = answer is None or "progress" not in answer
                if answer is None:
                    return
                if "error" in answer:
                    raise StorageError(answer["error"])
                yield answer
        finally:
            self._waiting.pop(id, None)
            if not finished and process.returncode is None and process.stdin is not None:
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(pack({"id": id, "op": "cancel"}))

    async def aclose(self) -> None:
        """Stop the process; what it was doing can be taken up later."""
        self._closed = True
        async with self._starting:
            if self._process is not None:
                await self._stop(self._process)
            if self._reader is not None:
                await self._reader

    async def _ensure(self) -> asyncio.subprocess.Process:
        """Return the running process, starting it unless it has just died."""
        async with self._starting:
            if self._closed:
                raise StorageError("The search is closed; start the hub again.")
            if self._process is not None:
                return self._process
            rest = self._rest_until - time.monotonic()
            if rest > 0:
                raise StorageError(f"{GONE} and is started again in {rest:.1f} s; try again then.")
            self._process = process = await self._spawn()
            self._reader = asyncio.create_task(self._read(process), name="search process reader")
            log.debug("search process started", pid=process.pid)
            return process

    async def _spawn(self) -> asyncio.subprocess.Process:
        """Start it and wait until it holds the folder."""
        process = None
        try:
            async with asyncio.timeout(START_TIMEOUT):
                process = await _start()
                hello = {"workspace": str(self._workspace), "var": str(self._var)}
                await _write(process, {**hello, "overrides": dict(self._overrides())})
                answer = await _read_frame(process)
        except BaseException as error:
            if process is not None:
                await self._stop(process)
            if not isinstance(error, TimeoutError | OSError | asyncio.IncompleteReadError):
                raise
            self._note_death()
            late = f"it took longer than {START_TIMEOUT:g} s"
            reason = late if isinstance(error, TimeoutError) else error
            raise StorageError(
                f"The search process could not be started ({reason}); see the log, then try again."
            ) from None
        if "error" in answer:
            await self._stop(process)
            raise StorageError(answer["error"])
        return process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand answers to those who wait until the process ends; then tell all who still do."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                answer = await _read_frame(process)
                if "result" in answer:
                    self._deaths = 0
                if waiter := self._waiting.get(answer["id"]):
                    waiter.put_nowait(answer)
        # From here on nobody may ask it: an answer would be waited for without end.
        self._process = None
        if not self._closed:
            self._note_death()
            log.warning("search process died", pid=process.pid, deaths=self._deaths)
        for waiter in self._waiting.values():
            waiter.put_nowait(None)
        await self._stop(process)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()  # the end of its input is its sign to go
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _note_death(self) -> None:
        self._deaths += 1
        # After one death it is started at once: most often somebody killed it, or memory was short.
        rest = FIRST_REST * 2 ** min(self._deaths - 2, 16) if self._deaths > 1 else 0.0
        self._rest_until = time.monotonic() + min(rest, LONGEST_REST)


async def _start() -> asyncio.subprocess.Process:
    """Start the program, with the same `runtime` package as ours."""
    root = str(Path(runtime.__file__).parent.parent)
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a folder named `runtime` where the hub was started must not take its place
        "-m",
        "runtime.search.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )


async def _write(process: asyncio.subprocess.Process, value: Any) -> None:
    """Send a frame; a process that is gone shows when its answer is awaited."""
    assert process.stdin is not None
    process.stdin.write(pack(value))
    with contextlib.suppress(ConnectionError):
        await process.stdin.drain()


async def _read_frame(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    answer: dict[str, Any] = unpack(await process.stdout.readexactly(size))
    return answer
