"""`GET /threads/{id}/stream`: all that happens on a thread, run after run, until the client leaves.

================  ==================================================================================
``run_modes``     what the streams of its runs show: their metadata, values, updates, messages, custom;
                  ``metadata`` with the status ``run_done`` where one ends
``lifecycle``     only where runs begin and end
``state_update``  the state, where somebody has changed it from outside
================  ==================================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint
from hub.routes.run_stream import HEADERS, STUCK, Place, read_place
from hub.routes.run_view import ends, happens, pauses
from hub.routes.shapes import RUN_STATUS, state_object
from hub.routes.stream_modes import Part, StreamMode, StreamModes, encode
from runtime.errors import HubbubError, InvalidInput, NotFound
from runtime.records import RunStatus
from runtime.runs import state
from runtime.runs.channel import Channel
from runtime.types import Event

ThreadMode = Literal["run_modes", "lifecycle", "state_update"]

_MODES: Final = get_args(ThreadMode)
_ACTIVE: Final = (RunStatus.ACCEPTED, RunStatus.RUNNING)
_MOST = 1000
_AFTER = 1_000_000
"""After every part of an event."""

_OF_RUNS: Final[tuple[StreamMode, ...]] = ("values", "updates", "messages-tuple", "custom", "tasks")


class Watched(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /threads/{id}/stream`."""

    stream_mode: list[str] | None = None


async def watch(call: Call[Watched]) -> web.StreamResponse:
    """Send what happens on a thread from now on, or with `Last-Event-ID` from there ("-": all of it)."""
    modes = call.given.stream_mode or ["run_modes"]
    for mode in modes:
        if mode not in _MODES:
            raise InvalidInput(
                f"There is no stream mode {mode[:40]} of threads; choose from {', '.join(_MODES)}."
            )
    thread = call.path("thread_id")
    channel = await call.engine.threads.channel(call.tenant, thread)
    seen = _start(call.request, channel)
    again = urlencode([("stream_mode", mode) for mode in modes])
    response = web.StreamResponse(headers={**HEADERS, "Location": f"/threads/{thread}/stream?{again}"})
    writer = _Watcher(call, channel, cast("list[ThreadMode]", modes), seen)
    metrics = call.engine.telemetry.metrics
    metrics.socket_opened()
    try:
        await response.prepare(call.request)
        async for frames in writer.frames():
            async with asyncio.timeout(STUCK):
                await response.write(frames)
    except (ConnectionError, TimeoutError):
        if call.request.transport:
            call.request.transport.abort()
    finally:
        metrics.socket_closed()
    return response


def _start(request: web.Request, channel: Channel) -> Place:
    text = request.headers.get("Last-Event-ID", "")
    if text in ("-", "0", "-1"):
        return 0, 0
    if not text:
        return channel.last_seq, _AFTER
    place = read_place(text)
    if place[0] > channel.last_seq:
        raise InvalidInput(f"The Last-Event-ID {text} is no event of this thread; leave it out.")
    return place


class _Watcher:
    """Turns the events of a thread into frames."""

    def __init__(self, call: Call[Any], channel: Channel, modes: list[ThreadMode], seen: Place) -> None:
        self._call, self._channel, self._modes, self._seen = call, channel, frozenset(modes), seen
        self._runs: dict[str, StreamModes] = {}

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield frames as they come, and a comment now and then; ends when the hub stops."""
        grown = asyncio.Event()
        unwatch = self._channel.watch(grown.set)
        try:
            after = await self._begin()
            while not self._call.engine.draining:
                grown.clear()
                batch = await self._channel.read(after)
                if batch.gap:
                    after = max(after, batch.gap[1])
                for event in batch.events:
                    after = max(after, event.seq)
                    if frames := b"".join(self._new(event.seq, await self._parts(event))):
                        yield frames
                if not batch.events and not batch.gap and not await happens(grown):
                    yield b": heartbeat\n\n"
        finally:
            unwatch()

    async def _begin(self) -> int:
        """Return the seq to read on from: a message can only be told of from the start of its run."""
        engine, thread = self._call.engine, self._channel.thread
        place = max(0, self._seen[0] - 1)
        active = await engine.runs.list(self._call.tenant, thread, _MOST, status=_ACTIVE)
        at = (await self._channel.read(place, 1)).events
        runs = {run.id for run in active} | {event.run for event in at if event.run}
        starts = [await engine.journal.first_seq(thread, run) - 1 for run in runs]
        return max(0, min([place, *starts]))

    def _new(self, seq: int, parts: Iterable[Part]) -> Iterator[bytes]:
        for number, (name, data) in enumerate(parts):
            if (seq, number) > self._seen:
                yield encode(f"{seq}-{number}", name, data)

    async def _parts(self, event: Event) -> list[Part]:
        if not event.run:
            return await self._update(event)
        found: list[Part] = []
        if "run_modes" in self._modes:
            found += await self._of_run(event)
        if self._modes & {"run_modes", "lifecycle"}:
            found += _lifecycle(event)
        if ends(event):
            self._runs.pop(event.run, None)
        return found

    async def _of_run(self, event: Event) -> list[Part]:
        if event.run not in self._runs:
            try:
                run = await self._call.engine.runs.get(self._call.tenant, event.run)
            except NotFound:  # its record was deleted; its events stay
                return []
            self._runs[event.run] = StreamModes(run, _OF_RUNS, subgraphs=True)
        return self._runs[event.run].parts(event)

    async def _update(self, event: Event) -> list[Part]:
        """Return the state after a change from outside."""
        if "state_update" not in self._modes or event.method != "checkpoints":
            return []
        place = state.Place(event.data["id"], event.namespace)
        try:
            found = await self._call.engine.threads.state(self._call.tenant, event.thread, place)
        except HubbubError:  # it was pruned, or nobody can read it any more
            return []
        data = {"thread_id": event.thread, "state": state_object(event.thread, found)}
        return [("state_update", data)]


def _lifecycle(event: Event) -> list[Part]:
    """Return what says that a run begins or ends."""
    if event.method != "lifecycle" or event.namespace:
        return []
    if event.data["event"] == "running":
        return [("metadata", {"run_id": event.run, "attempt": event.data.get("attempt", 1)})]
    if ends(event) or pauses(event):
        status = RUN_STATUS[RunStatus(event.data["metadata"]["status"])]
        return [("metadata", {"run_id": event.run, "status": "run_done", "run_status": status})]
    return []


ENDPOINTS = (
    Endpoint("GET", "/threads/{thread_id}/stream", "threads.join", watch, Watched, where="query", long=True),
)
