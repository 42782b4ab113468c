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
from runtime.journal.writer import TROUBLE, Frames, frame
from runtime.telemetry import get_logger

_log = get_logger(__name__)

Statements = Sequence[tuple[str, Sequence[object]]]

_IN_VAIN = 5
"""Writers that may die one after the other without having answered anything."""
_AHEAD = 8
"""Requests that leave before the loop's turn is over: the writer works on them while the next are made."""
_LINGER = 0.002
"""Seconds that a write nobody waits for may wait for others to be synced with."""
_CLOSING = 10.0
"""Seconds that the writer has to finish at the end; what it has not answered then, nobody was told of."""
_decode_outcomes = msgspec.msgpack.Decoder(list[tuple[int, str]]).decode


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
    asked which requests were committed; the rest is handed over again, in the same order.  While the
    disk is full, requests wait and `trouble` says why.  When no writer can be had, `lost` is set: all
    requests fail from then on, and only a new start of the hub mends that.
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
        self._flushing: asyncio.Handle | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closing = False
        self._failure: StorageError | None = None
        self._waiting_for = ""
        self.lost = asyncio.Event()

    async def open(self) -> None:
        """Start the writer; CannotStart when it cannot open the database."""
        if await self._start() is None:
            raise CannotStart("The journal's writer process ended at once; run `hubbub doctor`.")
        self._reader = asyncio.create_task(self._keep(), name="journal log")

    def submit(self, statements: Statements, *, urgent: bool = True) -> asyncio.Future[str]:
        """Hand over one request; StorageError (from the future) when it cannot be written.

        One that is not `urgent` leaves with the next that is, or a moment later: it costs no sync of its own.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        if self._failure or self._closing:
            done.set_exception(self._failure or StorageError("The journal is closed; start the hub again."))
            return done
        number = next(self._numbers)
        handed = _Handed(number, time.perf_counter(), frame((number, statements)), done)
        self._under_way.append(handed)
        self._unsent.append(handed.data)
        if len(self._unsent) >= _AHEAD:
            self._flush()
        elif urgent:
            self.hurry()
        elif self._flushing is None:
            self._flushing = loop.call_later(_LINGER, self._flush)
        return done

    def hurry(self) -> None:
        """Let what was handed over so far leave in this turn of the loop."""
        if isinstance(self._flushing, asyncio.TimerHandle):
            self._flushing.cancel()
            self._flushing = None
        if self._unsent and self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    @property
    def trouble(self) -> str:
        """Why nothing can be written now, "" when all is well."""
        if self._failure:
            return str(self._failure)
        if self._waiting_for:
            return f"The journal cannot be written ({self._waiting_for}); free disk space, then try again."
        return "The journal is closed; start the hub again." if self._closing else ""

    async def barrier(self) -> None:
        """Wait until everything handed over so far has been answered."""
        if self._under_way:
            self.hurry()
            await asyncio.wait([self._under_way[-1].done])

    async def aclose(self) -> None:
        """Let the writer finish what it was handed, then end it."""
        self._closing = True
        self._flush()
        if self._process and self._process.stdin:
            self._process.stdin.close()
        if self._reader:
            _, late = await asyncio.wait([self._reader], timeout=_CLOSING)
            if late and self._process:
                self._fail("The hub stopped before this could be written; send it again.")
                self._process.kill()
            await self._reader
        if self._process:
            await self._process.wait()

    def _flush(self) -> None:
        """Write what was handed over with one system call."""
        if self._flushing:
            self._flushing.cancel()
            self._flushing = None
        data = b"".join(self._unsent)
        self._unsent.clear()
        # A broken pipe shows in the reader, which starts the next process and sends again.
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(data)

    async def _start(self) -> _Greeting | None:
        """Start a writer; None when it died before it could say anything, CannotStart when it says why."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "runtime.journal.writer", str(self._path), self._durability, self._boot),
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
            await process.wait()
            return None
        if greeting.error:
            await process.communicate()
            raise CannotStart(greeting.error)
        self._process = process
        return greeting

    async def _keep(self) -> None:
        """Take the writer's answers, and when it dies start the next one, unless that is in vain."""
        in_vain = 0
        while in_vain < _IN_VAIN:
            in_vain = 0 if await self._answers() else in_vain + 1
            if self._closing and not self._under_way:
                return
            self._process = None  # what is handed over meanwhile must not overtake what came before
            try:
                greeting = await self._start()
            except CannotStart as error:
                self._fail(str(error))
                return
            if greeting:
                self._reconcile(greeting)
        why = f" ({self._waiting_for})" if self._waiting_for else ""
        self._fail(f"The journal's writer process keeps dying{why}; free disk space or run `hubbub doctor`.")

    async def _answers(self) -> bool:
        """Take answers until the writer ends; returns whether there was any."""
        if self._process is None:
            return False
        assert self._process.stdout
        frames, any_answer = Frames(), False
        while data := await self._process.stdout.read(1 << 20):
            for body in frames.feed(data):
                outcomes = _decode_outcomes(body)
                if outcomes[0][0] == TROUBLE:
                    self._wait_for(outcomes[0][1])
                    continue
                any_answer = True
                self._wait_for("")
                self._committed(time.perf_counter() - self._under_way[0].at, len(outcomes))
                for number, refusal in outcomes:
                    self._answer(number, refusal)
        return any_answer

    def _wait_for(self, trouble: str) -> None:
        if trouble != self._waiting_for:
            self._waiting_for = trouble
            if trouble:
                _log.error("journal waits", reason=trouble)
            else:
                _log.warning("journal goes on")

    def _answer(self, number: int, refusal: str) -> None:
        handed = self._under_way.popleft()
        assert handed.number == number, "the writer answers in the order of the requests"
        if handed.done.done():
            return
        if refusal.startswith("storage: "):
            sentence = f"The journal cannot keep this ({refusal[9:]}); send another value."
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
        self.lost.set()
        while self._under_way:
            handed = self._under_way.popleft()
            if not handed.done.done():
                handed.done.set_exception(self._failure)
