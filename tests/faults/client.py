"""A client of one thread that comes back after every cut, and keeps all it was ever told."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import websockets

from tests.faults.place import PATIENCE, until

CHANNELS = ["lifecycle", "messages", "updates", "input", "custom", "checkpoints", "tools"]
_DURABLE_MESSAGES = ("content-block-finish", "message-finish", "error")


class Refused(Exception):
    """The hub answered a command with an error."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply["message"])
        self.code = reply["error"]


class Client:
    """One socket on `/ws` and one thread.

    `frames` holds each event in the order it came, over all connections; `accepted` each run the hub
    has said yes to.  A command that was cut off is sent again under the same idempotency key.
    """

    def __init__(self, url: str, thread: str | None = None) -> None:
        self.thread = thread or str(uuid.uuid4())
        self.frames: list[dict[str, Any]] = []
        self.accepted: list[str] = []
        self.cuts = 0
        self.refused: list[Refused] = []
        self._url = url.replace("http", "ws") + "/ws"
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._socket: websockets.ClientConnection | None = None
        self._known = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Client:
        self._task = asyncio.create_task(self._stay_connected(), name=f"client {self.thread}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ----------------------------------------------------------------- commands

    async def start(self, graph: str, *, multitask: str = "enqueue", **input: Any) -> str:
        """Start a run and return its id, however often the connection breaks meanwhile."""
        params = {"assistant_id": graph, "input": input, "multitask_strategy": multitask}
        run: str = (await self.ask("run.start", **params, idempotency_key=str(uuid.uuid4())))["run_id"]
        self.accepted.append(run)
        self._known.set()
        return run

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command until it is answered, and return the result; Refused."""
        async with asyncio.timeout(PATIENCE):
            while True:
                reply = await self.send(method, **params)
                if reply is None or reply.get("retryable"):
                    await asyncio.sleep(0.02)
                elif reply["type"] == "error":
                    raise Refused(reply)
                else:
                    return dict(reply["result"])

    async def send(self, method: str, **params: Any) -> dict[str, Any] | None:
        """Send a command once and return its reply; None when the connection broke before it came."""
        if (socket := self._socket) is None:
            return None
        id = next(self._ids)
        reply = self._replies[id] = asyncio.get_running_loop().create_future()
        with suppress(websockets.ConnectionClosed, ConnectionError):
            await socket.send(
                json.dumps({"id": id, "method": method, "thread": self.thread, "params": params})
            )
            answer: dict[str, Any] = await reply
            return answer
        return None

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    # ----------------------------------------------------------------- what it was told

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an event of which something holds, also one that came before; returns it."""
        await until(lambda: self.refused or any(map(condition, self.frames)))
        for refused in self.refused:
            raise refused
        return next(filter(condition, self.frames))

    async def asked(self, run: str) -> str:
        """Wait for a run's question; returns its id."""
        found = await self.until(lambda frame: frame["method"] == "input.requested")
        await self.until(lambda frame: says(frame, run, "interrupted"))
        id: str = _data(found)["interrupt_id"]
        return id

    async def ended(self, run: str) -> dict[str, Any]:
        """Wait for the end of a run; returns its last lifecycle event's data."""
        return _data(await self.until(lambda frame: says(frame, run, "completed", "failed")))

    @property
    def durable(self) -> list[dict[str, Any]]:
        """The events that are in the log."""
        return [frame for frame in self.frames if _is_durable(frame)]

    def texts(self) -> dict[str, str]:
        """Return what a reader has before it of each message that was not taken back."""
        shown: dict[str, str] = {}
        for frame in self.frames:
            data = _data(frame)
            if frame["method"] != "messages":
                continue
            match data["event"]:
                case "message-start":
                    shown[data["message_id"]] = ""
                case "content-block-delta":
                    shown[data["message_id"]] += data["delta"].get("text", "")
                case "content-block-finish":
                    shown[data["message_id"]] = data["content"].get("text", "")
                case "error":
                    shown.pop(data["message_id"], None)
        return shown

    def halves(self) -> list[str]:
        """Return the messages that have begun and neither ended nor were taken back."""
        open, left = dict[str, str](), list[str]()
        for frame in self.frames:
            data = _data(frame)
            if frame["method"] != "messages":
                continue
            id, event = data["message_id"], frame["event_id"]
            match data["event"]:
                case "message-finish" | "error":
                    open.pop(id, None)
                case "message-start":
                    if open.get(id, event) != event:
                        left.append(id)
                    open[id] = event
                case _:
                    open.setdefault(id, event)
        return left + list(open)

    # ----------------------------------------------------------------- the connection

    async def _stay_connected(self) -> None:
        while True:
            with suppress(OSError, websockets.WebSocketException):
                async with websockets.connect(
                    self._url,
                    subprotocols=[websockets.Subprotocol("hubbub.v1")],
                    compression=None,
                    ping_interval=None,
                ) as socket:
                    await self._listen(socket)
            self.cuts += 1
            await asyncio.sleep(0.02)

    async def _listen(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        subscribing = asyncio.create_task(self._subscribe())
        try:
            async for message in socket:
                frame = json.loads(message)
                if frame["type"] != "event":
                    self._replies.pop(frame["id"]).set_result(frame)
                elif "seq" in frame:
                    self.frames.append(frame)
        finally:
            self._socket = None
            subscribing.cancel()
            await asyncio.gather(subscribing, return_exceptions=True)
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(ConnectionError())
            self._replies.clear()

    async def _subscribe(self) -> None:
        await self._known.wait()
        since = self.frames[-1]["seq"] if self.frames else 0
        try:
            await self.ask("subscription.subscribe", channels=CHANNELS, since=since)
        except Refused as refused:
            self.refused.append(refused)


def says(frame: dict[str, Any], run: str, *events: str) -> bool:
    """Whether a frame is a run's lifecycle event of one of these kinds."""
    data = _data(frame)
    return frame["method"] == "lifecycle" and data["run_id"] == run and data["event"] in events


def _data(frame: dict[str, Any]) -> dict[str, Any]:
    return dict(frame["params"]["data"])


def _is_durable(frame: dict[str, Any]) -> bool:
    return frame["method"] != "messages" or _data(frame)["event"] in _DURABLE_MESSAGES
