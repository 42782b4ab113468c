"""One running process of a plugin: its pipe, who waits for what, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runtime.errors import HubbubError, InvalidInput
from runtime.extensions.crossing import (
    LENGTH,
    MAX_FRAME,
    error_of,
    pack,
    tagged,
    told,
    unpack,
    untagged,
)
from runtime.extensions.failures import Failed, in_words
from runtime.extensions.lender import lend
from runtime.types import Delta

CLOSE_TIMEOUT = 5.0
"""Seconds for a process to close its plugin and end."""
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(slots=True)
class _Waiting:
    """One call at work there: its answers, its context, and what it is being lent."""

    ctx: Any
    answers: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    lending: set[asyncio.Task[None]] = field(default_factory=set)


class Link:
    """Sends calls to a process and hands its answers to those who wait.

    `lost` is told when it has ended and how, `stuck` when it should be ended and why.  What it sends is
    believed in nothing: a frame that is none ends it.
    """

    def __init__(
        self,
        plugin: str,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lost: Callable[[Link, str], None],
        stuck: Callable[[Link, str], None],
    ) -> None:
        self.plugin, self.process = plugin, process
        self._reader, self._writer = reader, writer
        self._lost, self._stuck = lost, stuck
        self._waiting: dict[int, _Waiting] = {}
        self._unheard: dict[int, asyncio.TimerHandle] = {}
        self._following: asyncio.Task[None] | None = None
        self._leaving = False
        self._ended = ""

    def follow(self) -> None:
        """Begin to read."""
        self._following = asyncio.create_task(self._follow(), name=f"process of plugin {self.plugin}")

    def wait_for(self, id: int, ctx: Any) -> asyncio.Queue[dict[str, Any]]:
        """Return where the answers to a call will be."""
        self._waiting[id] = waiting = _Waiting(ctx)
        if self._ended:
            waiting.answers.put_nowait({"error": Failed(self._ended, plugin=self.plugin)})
        return waiting.answers

    def forget(self, id: int) -> None:
        """Wait for a call no longer."""
        for task in self._waiting.pop(id).lending:
            task.cancel()
        if self._leaving and not self._waiting:
            self.kill()

    def send(self, frame: dict[str, Any]) -> None:
        """Send a frame; that the process is gone shows when its answer is awaited."""
        data = pack(frame)
        if not self._ended:
            self._writer.write(data)

    def give_up(self, id: int, seconds: float) -> None:
        """Have a call cancelled; a process that does not hear that in time is stuck."""
        if self._ended:
            return
        self.send({"op": "cancel", "id": id})
        loop = asyncio.get_running_loop()
        self._unheard[id] = loop.call_later(seconds, self._stuck, self, "it does not hear any more")

    def leave(self, seconds: float) -> None:
        """End with the last call, or after so many seconds; at once when it hears nothing any more."""
        self._leaving = True
        if self._unheard or not self._waiting:
            self.kill()
        else:
            asyncio.get_running_loop().call_later(seconds, self.kill)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    async def aclose(self) -> None:
        """End it in order, or after a while at once."""
        self._writer.close()
        if self._following is not None:
            timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.kill)
            await self._following
            timer.cancel()

    # ----------------------------------------------------------------------- what it says

    async def _follow(self) -> None:
        why = ""
        try:
            while True:
                (size,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
                if size > MAX_FRAME:
                    why = "it sent too much at once"
                    break
                self._take(unpack(await self._reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
            why = f"it sent what is no frame ({in_words(error)})"
        if why:
            self.kill()
        ended = how_it_ended(await asyncio.to_thread(self.process.wait))
        self._writer.close()
        for timer in self._unheard.values():
            timer.cancel()
        self._ended = (
            f"The process of the plugin {self.plugin} ended ({why or ended}); try again, or mend the plugin."
        )
        self._lost(self, why or ended)
        for waiting in self._waiting.values():
            waiting.answers.put_nowait({"error": Failed(self._ended, plugin=self.plugin)})

    def _take(self, frame: dict[str, Any]) -> None:
        if "stuck" in frame:
            self._stuck(self, "a call that was given up goes on in it")
        elif "heard" in frame:
            if timer := self._unheard.pop(frame["id"], None):
                timer.cancel()
        elif waiting := self._waiting.get(frame["id"]):
            self._hand(frame, waiting)

    def _hand(self, frame: dict[str, Any], waiting: _Waiting) -> None:
        if "ask" in frame:
            task = asyncio.create_task(self._lend(frame, waiting.ctx), name=f"lend to plugin {self.plugin}")
            waiting.lending.add(task)
            task.add_done_callback(waiting.lending.discard)
        elif "emit" in frame:
            delta = untagged(frame["emit"])
            if type(delta) is not Delta:
                raise ValueError("it emits what is no Delta")
            waiting.ctx.emit(delta)
        elif "log" in frame:
            level, event, values = frame["log"]
            if level in _LEVELS:
                getattr(waiting.ctx.log, level)(str(event), **values)
        elif "error" in frame:
            waiting.answers.put_nowait({"error": error_of(frame["error"], self.plugin)})
        else:
            waiting.answers.put_nowait(frame)

    async def _lend(self, frame: dict[str, Any], ctx: Any) -> None:
        """Give a call what it asks for, on its behalf."""
        ask = frame["ask"]

        def reply(value: Any, *, last: bool) -> None:
            self.send({"op": "reply", "ask": ask, "value": tagged(value), "last": last})

        try:
            await lend(ctx, str(frame["what"]), [untagged(each) for each in frame["args"]], reply)
        except HubbubError as error:
            self.send({"op": "reply", "ask": ask, "error": told(error)})
        except Exception as error:
            refused = InvalidInput(
                f"The hub cannot do that ({in_words(error)}); mend the plugin {self.plugin}."
            )
            with suppress(ValueError, TypeError):
                self.send({"op": "reply", "ask": ask, "error": told(refused)})


def how_it_ended(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
