"""The run streams of the LangGraph SDK: server-sent events with ids that a client can resume from."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.endpoint import Call
from hub.parts import BACKGROUND
from hub.routes.run_view import Look, RunView, failure_of, interrupts_of
from hub.routes.shapes import RUN_STATUS
from hub.routes.stream_modes import Part, StreamMode, StreamModes, encode
from runtime.errors import InvalidInput
from runtime.records import Run

STUCK = 10.0
"""Seconds a client may take to read what fills its buffers, before the connection is given up."""

Place = tuple[int, int]
"""A place in a stream: the seq of an event, and which of its parts.  Its text is the SSE id."""

_ID = re.compile(r"(\d{1,18})-(\d{1,6})")
_VALUES, _END = 900_000, 900_001
"""Parts that no event gives: the final state where it was not seen, and the end."""

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def last_event_id(request: web.Request, view: RunView) -> Place | None:
    """Return where a client wants to go on; None for the start.  InvalidInput for a place it cannot know."""
    text = request.headers.get("Last-Event-ID", "")
    if text in ("", "-1", "0"):
        return None
    place = read_place(text)
    known = view.start <= place[0] <= view.channel.last_seq
    at = (await view.channel.read(place[0] - 1, 1)).events if known and place[0] > view.start else []
    if not known or any(event.seq == place[0] and event.run != view.run.id for event in at):
        raise InvalidInput(
            f"The Last-Event-ID {text} is no event of the run {view.run.id}; leave it out to start over."
        )
    return place


def read_place(text: str) -> Place:
    """Return the place that an id names; InvalidInput when it is none of ours."""
    found = _ID.fullmatch(text)
    if found is None:
        raise InvalidInput(
            "This Last-Event-ID is none of ours; send the id of the last event you saw, or none."
        )
    return int(found[1]), int(found[2])


async def stream(
    call: Call[Any],
    view: RunView,
    modes: Sequence[StreamMode],
    *,
    subgraphs: bool = False,
    cancel: bool = False,
) -> web.StreamResponse:
    """Send a run from where the client stands to its end; `cancel` stops the run when the client leaves."""
    seen = await last_event_id(call.request, view)
    # Whoever comes back asks for nothing but this address: it says all that was asked for.
    query: list[tuple[str, str]] = [("stream_mode", mode) for mode in modes]
    query += [("stream_subgraphs", str(subgraphs).lower()), ("cancel_on_disconnect", str(cancel).lower())]
    headers = {**HEADERS, **locations(view.run, f"stream?{urlencode(query)}")}
    response = web.StreamResponse(headers=headers)
    writer = _Writer(call, view, response, StreamModes(view.run, modes, subgraphs=subgraphs), seen)
    metrics = call.engine.telemetry.metrics
    metrics.socket_opened()
    try:
        with call.engine.telemetry.deliver_span() as span:
            await response.prepare(call.request)
            await writer.run(want_values="values" in modes)
            span.set(frames=writer.frames, resumes=int(seen is not None))
    except (asyncio.CancelledError, ConnectionError, TimeoutError) as left:
        if cancel:
            cancel_run(call, view.run)
        if isinstance(left, asyncio.CancelledError):
            raise
        if call.request.transport:
            call.request.transport.abort()
    finally:
        metrics.socket_closed()
    return response


def cancel_run(call: Call[Any], run: Run) -> None:
    """Stop a run whose client has left, unless it left because the hub stops."""
    if not call.engine.draining:
        stop = call.engine.runs.cancel(call.tenant, run.id)
        call.request.app[BACKGROUND].start(stop, f"cancel run {run.id}")


def locations(run: Run, way: str = "") -> dict[str, str]:
    """Return the headers that name a run, and with `way` where to come back to when the connection breaks."""
    here = f"/threads/{run.thread}/runs/{run.id}"
    return {"Content-Location": here, "Location": f"{here}/{way}" if way else here}


class _Writer:
    """Writes one response."""

    def __init__(
        self,
        call: Call[Any],
        view: RunView,
        response: web.StreamResponse,
        modes: StreamModes,
        seen: Place | None,
    ) -> None:
        self._view, self._response, self._modes = view, response, modes
        self._metrics = call.engine.telemetry.metrics
        self._seen, self._last = seen or (-1, -1), view.start
        self._following = seen is not None
        self._values_known = False
        self.frames = 0

    async def run(self, *, want_values: bool) -> None:
        """Write the parts of the run, its end last."""
        view = self._view
        about = {"run_id": view.run.id, "thread_id": view.run.thread, "attempt": max(1, view.run.attempt)}
        await self._write(self._new(view.start, [("metadata", about)]))
        async with aclosing(view.looks()) as looks:
            async for look in looks:
                await self._write(self._look(look) if look.events or look.gap else [b": heartbeat\n\n"])
        run = await view.ended()
        if run.status.active:
            return  # the hub stops: without an end the client comes back and finds the next one
        failure = failure_of(run)
        # Whoever has seen the parts of the last event has seen the state they hold.
        seen = self._seen >= (self._last, 1)
        if want_values and not self._values_known and not seen and failure is None:
            values = {**await view.values(run), **interrupts_of(run)}
            await self._write([encode(f"{self._last}-{_VALUES}", "values", values)])
        name, data = (
            ("error", failure) if failure else ("end", {"run_id": run.id, "status": RUN_STATUS[run.status]})
        )
        await self._write([encode(f"{self._last}-{_END}", name, data)])
        await self._response.write_eof()

    def _look(self, look: Look) -> Iterator[bytes]:
        if look.gap:
            self._values_known = False
            if self._following:
                yield b'event: lagged\ndata: {"from":%d,"to":%d}\n\n' % look.gap
        else:
            self._following = True
        rendered = [(event, self._modes.parts(event)) for event in look.events]
        _keep_latest_partials([parts for _, parts in rendered])
        for event, parts in rendered:
            self._last = event.seq
            self._values_known |= event.method == "values" and not event.namespace
            yield from self._new(event.seq, parts)

    def _new(self, seq: int, parts: Sequence[Part]) -> Iterator[bytes]:
        """Encode the parts of one event that the client has not seen."""
        for number, (name, data) in enumerate(parts):
            if (seq, number) > self._seen:
                yield encode(f"{seq}-{number}", name, data)

    async def _write(self, frames: Iterable[bytes]) -> None:
        ready = list(frames)
        if ready:
            self.frames += len(ready)
            self._metrics.frames_sent(len(ready))
            async with asyncio.timeout(STUCK):
                await self._response.write(b"".join(ready))


def _keep_latest_partials(rendered: Sequence[list[Part]]) -> None:
    """Leave out a message's text so far where the same look holds a longer one."""
    longer: set[str] = set()
    for parts in reversed(rendered):
        for index in reversed(range(len(parts))):
            name, data = parts[index]
            if name.startswith("messages/partial"):
                id = data[0]["id"]
                if id in longer:
                    del parts[index]
                longer.add(id)
