"""The hub's end of a plugin with a process of its own: started when needed, ended when it is stuck.

A process that has ended is started again; one that keeps ending rests meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import runtime
from runtime.errors import PluginError
from runtime.extensions.crossing import LENGTH, Hello, tagged, unpack, untagged
from runtime.extensions.failures import Failed
from runtime.extensions.host import Host
from runtime.extensions.link import Link, how_it_ended
from runtime.telemetry import get_logger

START_TIMEOUT = 30.0
"""Seconds for a process to load its plugin and say what it supplies."""
HEARD = 0.5
"""Seconds for a process to hear that a call was given up, after which it is stuck."""
WINDOW = 64
"""Pieces of a stream that may be on their way."""
FIRST_REST, LONGEST_REST = 0.5, 30.0
"""Seconds before a process that has ended twice in a row is started again; doubled each time."""

Program: TypeAlias = tuple["subprocess.Popen[bytes]", socket.socket]

_log = get_logger(__name__)


class Child:
    """The process of one plugin."""

    def __init__(self, hello: Hello, host: Host) -> None:
        self._hello, self._host = hello, host
        self._program: Program | None = None
        self._link: Link | None = None
        self._links: set[Link] = set()
        self._opening: asyncio.Task[Link] | None = None
        self._numbers = itertools.count(1)
        self._deaths = 0
        self._closed = False

    def describe(self) -> dict[str, Any]:
        """Start the process and return what its plugin supplies; PluginError when it cannot be loaded."""
        self._program, description = _spawn(self._hello)
        return description

    def discard(self) -> None:
        """End a process that nobody has called yet."""
        if self._program is not None:
            _end(*self._program)

    # ----------------------------------------------------------------------- calls

    async def start(self) -> None:
        """Have the plugin's objects started."""
        await self._linked()

    async def call(self, at: int, method: str, args: tuple[Any, ...]) -> Any:
        """Call a method of the object at a place, and return its result."""
        async with aclosing(self._frames(at, method, args)) as frames:
            async for frame in frames:
                if "result" in frame:
                    return untagged(frame["result"])
        raise AssertionError("a call has a last frame")

    async def stream(self, at: int, method: str, args: tuple[Any, ...]) -> AsyncGenerator[Any, None]:
        """Yield what a method yields."""
        async with aclosing(self._frames(at, method, args)) as frames:
            async for frame in frames:
                if "piece" in frame:
                    yield untagged(frame["piece"])

    async def _frames(
        self, at: int, method: str, args: tuple[Any, ...]
    ) -> AsyncGenerator[dict[str, Any], None]:
        link, id, taken, ended = await self._linked(), next(self._numbers), 0, False
        call, frame = _call_of(at, method, args, self._host.deadline)
        waiting = link.wait_for(id, call)
        try:
            link.send({"op": "call", "id": id, **frame})
            while not ended:
                answer = await waiting.get()
                ended = "piece" not in answer
                if error := answer.get("error"):
                    raise error
                self._deaths = 0
                yield answer
                taken += 1
                if taken % (WINDOW // 2) == 0:
                    link.send({"op": "more", "id": id, "count": WINDOW // 2})
        finally:
            link.forget(id)
            if not ended:
                link.give_up(id, HEARD)

    # ----------------------------------------------------------------------- the process

    async def _linked(self) -> Link:
        if self._closed:
            raise PluginError(f"The plugin {self._hello.file.name} is closed; ask again.")
        if self._link is not None:
            return self._link
        # A call that is given up meanwhile leaves the start alone: the next one may find it done.
        return await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[Link]:
        """Start the process, unless it is being started."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"start plugin {self._hello.file.name}")
            self._opening.add_done_callback(self._opened)
        return self._opening

    def _opened(self, task: asyncio.Task[Link]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # whoever waits for it hears of it; if nobody does, the next one tries again

    async def _open(self) -> Link:
        process, connection = await self._running()
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        link = Link(self._hello.file.name, process, reader, writer, self._lost, self._stuck)
        self._links.add(link)
        link.follow()
        waiting = link.wait_for(0, None)
        link.send({"op": "call", "id": 0, "method": "start"})
        answer = await waiting.get()
        link.forget(0)
        if failed := answer.get("error"):
            link.kill()
            self._count(str(failed).rstrip("."))
            raise failed
        _log.debug("plugin process started", plugin=link.plugin, pid=process.pid)
        self._link = link
        return link

    async def _running(self) -> Program:
        program, self._program = self._program, None
        if program is not None:
            return program
        try:
            return (await asyncio.to_thread(_spawn, self._hello))[0]
        except PluginError as error:
            self._count("it cannot be started")
            raise Failed(error.message, plugin=self._hello.file.name) from error

    def _stuck(self, link: Link, why: str) -> None:
        """Let further calls go to another process; this one ends with its last call."""
        _log.warning(
            "plugin process is stuck and ended", plugin=link.plugin, pid=link.process.pid, reason=why
        )
        if self._link is link:
            self._link = None
            self._begin()
        link.leave(self._host.deadline)

    def _lost(self, link: Link, why: str) -> None:
        """Take note that a process has ended."""
        self._links.discard(link)
        if self._link is link:
            self._link = None
            if not self._closed:
                _log.warning("plugin process ended", plugin=link.plugin, pid=link.process.pid, reason=why)
                self._count(why)
                if self._deaths == 1:  # most often somebody killed it, or memory was short
                    self._begin()

    def _count(self, why: str) -> None:
        self._deaths += 1
        if self._deaths > 1:
            seconds = min(FIRST_REST * 2 ** min(self._deaths - 2, 16), LONGEST_REST)
            self._host.rest(
                f"its process ended {self._deaths} times in a row, the last time so: {why}", seconds
            )

    async def aclose(self) -> None:
        """End the process: in order when it can, else at once."""
        self._closed = True
        self.discard()
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        await asyncio.gather(*(link.aclose() for link in list(self._links)))


def _call_of(at: int, method: str, args: tuple[Any, ...], longest: float) -> tuple[Any, dict[str, Any]]:
    """Return a call's context, and the call as it crosses: without the context, which is lent."""
    ctx = args[-1] if args and hasattr(args[-1], "idempotency_key") else None
    bare = ctx is None and method == "embed"
    given = args[:-1] if ctx is not None or bare else args
    deadline, about = monotonic() + longest, None
    if ctx is not None:
        deadline = min(deadline, ctx.deadline)
        names = ("tenant", "run", "thread", "idempotency_key", "params")
        about = {"deadline": deadline, **{name: getattr(ctx, name) for name in names}}
    sent = [tagged(each) for each in given]
    return ctx, {
        "object": at,
        "method": method,
        "args": sent,
        "ctx": about,
        "bare": bare,
        "deadline": deadline,
    }


def _spawn(hello: Hello) -> tuple[Program, dict[str, Any]]:
    """Start a process and wait for its description; PluginError when there is none."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this Python and our own program
            [sys.executable, "-P", "-m", "runtime.extensions.process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a plugin prints does not reach standard output
            env={**os.environ, "PYTHONPATH": _import_path()},
        )
    try:
        ours.settimeout(START_TIMEOUT)
        greeting = pickle.dumps(hello)
        ours.sendall(LENGTH.pack(len(greeting)) + greeting)
        description = _first_frame(ours)
    except (OSError, ValueError, EOFError) as error:
        ended = _end(process, ours)
        why = "it was not loaded in time" if isinstance(error, TimeoutError) else ended
        raise PluginError(
            f"{hello.file.shown}: its process ended while it was loaded ({why}); mend it"
        ) from None
    if "objects" not in description:
        _end(process, ours)
        raise PluginError(str(description.get("error")))
    return (process, ours), description


def _first_frame(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as stream:
        head = stream.read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise EOFError
        body = stream.read(LENGTH.unpack(head)[0])
    found: dict[str, Any] = unpack(body)
    return found


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> str:
    """End a process at once; returns how it ended before that."""
    connection.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.kill()
    return how_it_ended(process.wait())


def _import_path() -> str:
    root = str(Path(runtime.__file__).parent.parent)
    return os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
