"""One run of a graph as a client on the many-threads socket sees it: commands out, what happened in."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from hub.cli.workspace import Door
from runtime.errors import HubbubError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

CHANNELS = ["lifecycle", "messages", "updates", "input", "custom"]
MAX_FRAME = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a message, as it is written by the step `node`."""

    message: str
    node: str
    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The text of this message so far does not count: its step runs again."""

    message: str
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step is done, and this is what it wrote.

    `decisions` are the ways it went, each `{go, why}`; `usage` is what its calls of models cost, if any.
    """

    node: str
    values: Mapping[str, Any]
    decisions: Sequence[Mapping[str, str]] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """The run waits for an answer to this question."""

    id: str
    value: Any


@dataclass(frozen=True, slots=True)
class Undone:
    """What a step of a failed run did is undone, or cannot be; `by` is the step that undid it."""

    step: str
    by: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over, or waits; `status` is a `RunStatus`, `error` a sentence when it did not succeed."""

    status: str
    error: str
    seq: int = 0


Happening = Text | Dropped | Step | Asked | Undone | Ended


@dataclass(slots=True)
class Conversation:
    """A thread on a socket of its own."""

    thread: str
    _socket: ClientConnection
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _early: deque[dict[str, Any]] = field(default_factory=deque)
    _run: str = ""

    async def start(
        self, graph: str, input: Mapping[str, Any], *, traceparent: str | None = None
    ) -> AsyncIterator[Happening]:
        """Run `graph` on the thread and yield what happens; the last is `Ended`."""
        meta = {"traceparent": traceparent} if traceparent else {}
        asked = await self._command("run.start", {"assistant_id": graph, "input": dict(input)}, meta)
        async for happening in self._watch((await self._reply(asked))["run_id"]):
            yield happening

    async def answer(self, responses: Mapping[str, Any], since: int) -> AsyncIterator[Happening]:
        """Answer questions of the thread's run by id, and yield what happens after the event `since`."""
        given = [{"interrupt_id": id, "response": value} for id, value in responses.items()]
        asked = await self._command("input.respond", {"responses": given})
        async for happening in self._watch((await self._reply(asked))["run_id"], since):
            yield happening

    async def _watch(self, run: str, since: int | None = None) -> AsyncIterator[Happening]:
        self._run = run
        params = {"channels": CHANNELS} | ({} if since is None else {"since": since})
        await self._reply(await self._command("subscription.subscribe", params))
        watched = _Watch(self._run)
        while True:
            frame = await self._frame()
            if frame["type"] == "event" and (happening := watched.see(frame)):
                yield happening
                if isinstance(happening, Ended):
                    return

    async def cancel(self) -> None:
        """Ask for the end of the run; that it has ended is seen by whoever iterates `start`."""
        if self._run:
            await self._command("run.cancel", {"run_id": self._run})

    async def values(self) -> Mapping[str, Any]:
        """Return the thread's state."""
        reply = await self._reply(await self._command("state.get", {}))
        values: Mapping[str, Any] = reply["values"]
        return values

    async def _command(self, method: str, params: Mapping[str, Any], meta: Mapping[str, Any] = {}) -> int:
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": params, "thread": self.thread}
        await self._socket.send(json.dumps(command | ({"meta": meta} if meta else {})))
        return number

    async def _reply(self, number: int) -> Mapping[str, Any]:
        """Wait for the reply to a command; events that come before it are kept for later."""
        while True:
            frame = await self._receive()
            if frame["type"] == "event" or frame.get("id") != number:
                self._early.append(frame)
            elif frame["type"] == "error":
                raise HubbubError(frame["message"])
            else:
                result: Mapping[str, Any] = frame["result"]
                return result

    async def _frame(self) -> dict[str, Any]:
        return self._early.popleft() if self._early else await self._receive()

    async def _receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame


@asynccontextmanager
async def converse(door: Door, thread: str) -> AsyncIterator[Conversation]:
    """Open a socket for one thread; HubbubError when the hub refuses it or goes away."""
    url = f"ws{door.url.removeprefix('http')}/ws"
    try:
        async with connect(
            url,
            subprotocols=["hubbub.v1"],  # type: ignore[list-item]
            additional_headers=door.headers,
            compression=None,
            max_size=MAX_FRAME,
            proxy=None,
        ) as socket:
            yield Conversation(thread, socket)
    except InvalidHandshake as error:
        raise HubbubError(f"The hub at {door.url} refused the connection ({error}); see its log.") from error
    except ConnectionClosed as error:
        raise HubbubError(
            f"The connection to {door.url} ended ({error}); the run goes on without us, "
            f"and `hubbub events {thread}` shows what became of it."
        ) from error
    except OSError as error:
        raise HubbubError(
            f"The hub at {door.url} does not answer ({error}); start it with `hubbub serve`."
        ) from error


class _Watch:
    """Turns the events of one run into happenings."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._nodes: dict[str, str] = {}

    def see(self, frame: Mapping[str, Any]) -> Happening | None:
        """Return what an event means to someone who looks on; None for what does not matter."""
        data = frame["params"]["data"]
        match frame["method"]:
            case "messages":
                return self._message(data)
            case "input.requested":
                return Asked(data["interrupt_id"], data["payload"])
            case "updates":
                return Step(data["node"], data["values"], data.get("decisions", ()), data.get("usage", {}))
            case "custom" if data.get("name") == "undo" and data["payload"]["event"] != "started":
                told = data["payload"]
                return Undone(told["step"], told.get("by", ""), told.get("error", ""))
            case "lifecycle" if data.get("run_id") == self._run and not frame["params"]["namespace"]:
                return self._lifecycle(data, frame["seq"])
        return None

    def _message(self, data: Mapping[str, Any]) -> Happening | None:
        id = data["message_id"]
        match data["event"]:
            case "message-start":
                self._nodes[id] = data.get("metadata", {}).get("langgraph_node", "")
            case "content-block-delta" if data["delta"]["type"] == "text-delta":
                return Text(id, self._nodes.get(id, ""), data["delta"]["text"])
            case "error":
                return Dropped(id, data["message"])
        return None

    def _lifecycle(self, data: Mapping[str, Any], seq: int) -> Happening | None:
        if data["event"] in ("completed", "failed", "interrupted"):
            return Ended(data["metadata"]["status"], data.get("error", ""), seq)
        return None
