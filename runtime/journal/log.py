"""The hub's end of the pipe to the writer process: hand over writes in order, await their commits."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime.errors import CannotStart, StorageError
from runtime.journal.writer import Frames, frame

Statements = Sequence[tuple[str, Sequence[object]]]

_RESTARTS = 5
_decode_outcomes = msgspec.msgpack.Decoder(tuple[int, list[tuple[int, str]]]).decode


class _EndedAtOnce(CannotStart):
    """The writer process died before it greeted."""


class _Greeting(msgspec.Struct):
    error: str
    boot: str
    outcomes: list[tuple[int, str]]


class _Handed(NamedTuple):
    number: int
    at: float
    data: bytes
    done: asyncio.Future[str]


class Log:
    """One writer process and the requests that are under way to it.

    `submit` hands a request over at once, so requests are committed in the order of the calls, and
    returns a future of its refusal ("" when committed).  When the process dies, the next one is
    asked which requests were committed; the rest is handed over again, in the same order.
    """

    def __init__(
        self, path: Path, durability: str, committed: Callable[[float, int], None] = lambda *_: None
    ) -> None:
        """`committed` is told of each batch: seconds since its first request was handed over, its size."""
        self._path, self._durability, self._committed = path, durability, committed
        self._boot = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._under_way: deque[_Handed] = deque()
        self._unsent: list[bytes] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._losses = 0
        self._closing = False
        self._failure: StorageError | None = None

    async def open(self) -> None:
        """Start the writer; CannotStart when it cannot open the database."""
        await self._start()
        self._reader = asyncio.create_task(self._read(), name="journal log")

    def submit(self, statements: Statements) -> asyncio.Future[str]:
        """Hand over one request; StorageError (from the future) when it cannot be written."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if self._failure or self._closing:
            done.set_exception(self._failure or StorageError("The journal is closed; start the hub again."))
            return done
        number = next(self._numbers)
        handed = _Handed(number, time.perf_counter(), frame((number, self._losses, statements)), done)
        self._under_way.append(handed)
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(handed.data)
        return done

    @property
    def healthy(self) -> bool:
        """Whether the writer process is there."""
        return self._failure is None and self._process is not None and self._process.returncode is None

    async def barrier(self) -> None:
        """Wait until everything handed over so far has been answered."""
        if self._under_way:
            await asyncio.wait([self._under_way[-1].done])

    async def aclose(self) -> None:
        """Let the writer finish what it was handed, then end it."""
        self._closing = True
        self._flush()
        if self._process and self._process.stdin:
            self._process.stdin.close()
        if self._reader:
            await self._reader
        if self._process:
            await self._process.wait()

    def _flush(self) -> None:
        """Write what was handed over during one turn of the loop with one system call."""
        data = b"".join(self._unsent)
        self._unsent.clear()
        # A broken pipe shows in the reader, which starts the next process and sends again.
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(data)

    async def _start(self) -> _Greeting:
        """Start a writer; nothing is written to it before it has greeted."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "runtime.journal.writer"),
            *(str(self._path), self._durability, self._boot, str(self._losses)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
            start_new_session=True,  # a Ctrl-C at the terminal is for the hub; the writer ends after it
        )
        assert process.stdout
        try:
            length = int.from_bytes(await process.stdout.readexactly(4))
            greeting = msgspec.msgpack.decode(await process.stdout.readexactly(length), type=_Greeting)
        except asyncio.IncompleteReadError:
            raise _EndedAtOnce("The journal's writer process ended at once; run `hubbub doctor`.") from None
        if greeting.error:
            await process.communicate()
            raise CannotStart(
                f"The journal {self._path} cannot be opened ({greeting.error}); "
                "restore it from a backup, or move it away to start with an empty one."
            )
        self._process = process
        return greeting

    async def _read(self) -> None:
        idle_lives = 0  # of writers that died before they answered anything
        while idle_lives < _RESTARTS:
            idle_lives = 0 if await self._answers() else idle_lives + 1
            if self._closing and not self._under_way:
                return
            try:
                self._reconcile(await self._start())
            except _EndedAtOnce:
                continue
            except CannotStart as error:
                self._fail(str(error))
                return
        self._fail("The journal's writer process keeps dying; free disk space or run `hubbub doctor`.")

    async def _answers(self) -> bool:
        """Hear the writer until it ends; whether it answered anything."""
        assert self._process
        assert self._process.stdout
        frames, heard = Frames(), False
        while data := await self._process.stdout.read(1 << 20):
            heard = True
            for body in frames.feed(data):
                self._losses, outcomes = _decode_outcomes(body)
                self._committed(time.perf_counter() - self._under_way[0].at, len(outcomes))
                for number, refusal in outcomes:
                    self._answer(number, refusal)
        return heard

    def _answer(self, number: int, refusal: str) -> None:
        handed = self._under_way.popleft()
        assert handed.number == number, "the writer answers in the order of the requests"
        if handed.done.done():
            return
        if refusal.startswith("storage: "):
            sentence = f"The journal could not be written ({refusal[9:]}); free disk space, then try again."
            handed.done.set_exception(StorageError(sentence))
        else:
            handed.done.set_result(refusal)

    def _reconcile(self, greeting: _Greeting) -> None:
        """Answer what the last writer committed without saying so; hand the rest over again."""
        if greeting.boot == self._boot:
            for number, refusal in greeting.outcomes:
                if self._under_way and self._under_way[0].number == number:
                    self._answer(number, refusal)
        self._unsent[:] = [handed.data for handed in self._under_way]
        self._flush()
        if self._closing and self._process and self._process.stdin:
            self._process.stdin.close()

    def _fail(self, sentence: str) -> None:
        self._failure = StorageError(sentence)
        while self._under_way:
            handed = self._under_way.popleft()
            if not handed.done.done():
                handed.done.set_exception(self._failure)
