"""Answers of models that nobody has to wait for: asked in the background, followed by whoever comes."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from hub.dialects import failures
from hub.failures import broken_stream
from runtime.errors import NoSuchResponse, Overloaded
from runtime.types import JsonObject, RawChunk
from runtime.vendors import Events

if TYPE_CHECKING:
    from hub.background import Background
    from runtime.engine import Engine
    from runtime.journal.responses import StoredResponse

_AT_ONCE = 64
"""Answers of one tenant that are made in the background at the same time."""

STOPPED: Final = {
    "code": "server_error",
    "message": "The hub stopped before the answer was whole; ask again.",
}

_FINAL = ("response.completed", "response.incomplete")


class Live:
    """One answer while it is made.  Its events are numbered from 0 on."""

    def __init__(self, stored: StoredResponse, begun: JsonObject) -> None:
        self.stored, self.answer = stored, begun
        self.events: list[bytes] = []
        self.ended = self.unwanted = False
        self._about = {name: begun[name] for name in ("id", "background", "previous_response_id")}
        self._grown = asyncio.Event()
        self._read = Events()

    def take(self, chunk: RawChunk) -> None:
        """Add what a model sent, under the id that the client was told."""
        for data in self._read.feed(chunk.data):
            event = orjson.loads(data)
            if isinstance(response := event.get("response"), dict):
                event["response"] = {**response, **self._about}
                if event["type"] in _FINAL:
                    self.answer = event["response"]
            self.add(event)

    def add(self, event: JsonObject) -> None:
        """Add an event."""
        event["sequence_number"] = len(self.events)
        self.events.append(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)))
        self._wake()

    def end(self, status: str, error: JsonObject | None = None) -> None:
        """End without an answer."""
        self.answer = {**self.answer, "status": status, "error": error}
        self.add({"type": f"response.{status}", "response": self.answer})

    def close(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self._wake()

    async def follow(self, after: int) -> AsyncGenerator[bytes, None]:
        """Yield the events with a number above `after` until the last one."""
        seen = max(0, after + 1)
        while True:
            grown = self._grown
            while seen < len(self.events):
                seen += 1
                yield self.events[seen - 1]
            if self.ended:
                return
            await grown.wait()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


class LiveResponses:
    """All that are made now.  One whose process ends has failed: a model cannot be asked to go on."""

    def __init__(self, engine: Engine, background: Background) -> None:
        self._engine, self._background = engine, background
        self._live: dict[tuple[str, str], tuple[Live, asyncio.Task[Any]]] = {}
        self._tenants: Counter[str] = Counter()

    def get(self, tenant: str, id: str) -> Live | None:
        """Return one that is being made."""
        found = self._live.get((tenant, id))
        return found[0] if found else None

    async def begin(
        self,
        stored: StoredResponse,
        begun: JsonObject,
        pieces: AsyncGenerator[RawChunk, None],
        request: web.Request,
    ) -> Live:
        """Begin to make one, once it is on disk; Overloaded when the tenant has too many."""
        if self._tenants[stored.tenant] >= _AT_ONCE:
            raise Overloaded(
                f"{_AT_ONCE} responses of the tenant are made in the background; wait for one.",
                retry_after=1.0,
            )
        await self._engine.responses.put(stored)
        live, key = Live(stored, begun), (stored.tenant, stored.id)
        task = self._background.start(self._make(live, pieces, request), f"response {stored.id}")
        self._live[key] = live, task
        self._tenants[stored.tenant] += 1
        task.add_done_callback(lambda _: self._forget(key))
        return live

    async def cancel(self, tenant: str, id: str) -> JsonObject | None:
        """Stop making one; returns it, None when it is not being made."""
        if (found := self._live.get((tenant, id))) is None:
            return None
        live, task = found
        live.unwanted = True
        task.cancel()
        await asyncio.wait([task])
        return live.answer

    async def _make(self, live: Live, pieces: AsyncGenerator[RawChunk, None], request: web.Request) -> None:
        try:
            async with aclosing(pieces):
                async for chunk in pieces:
                    live.take(chunk)
        except asyncio.CancelledError:
            if live.unwanted:
                live.end("cancelled")
            else:
                live.end("failed", STOPPED)
            raise
        except Exception as error:
            told = broken_stream(error, request)["error"]
            code = failures.told(error, 500).code or told["code"]
            live.end("failed", {"code": code, "message": told["message"]})
        finally:
            kept = await asyncio.to_thread(zlib.compress, b"".join(live.events), 1)
            await self._engine.responses.end(replace(live.stored, answer=live.answer, events=kept))
            live.close()

    def _forget(self, key: tuple[str, str]) -> None:
        self._live.pop(key, None)
        tenant, _ = key
        self._tenants[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]


async def events_of(stored: StoredResponse, after: int) -> list[bytes]:
    """Return the kept events with a number above `after`; NoSuchResponse when none were kept."""
    if not stored.events:
        raise NoSuchResponse(
            f"The events of {stored.id} are not kept, for it was not made in the background; "
            "retrieve it without stream."
        )
    whole = await asyncio.to_thread(zlib.decompress, stored.events)
    return [event + b"\n\n" for event in whole.split(b"\n\n")[max(0, after + 1) : -1]]


LIVE: web.AppKey[LiveResponses] = web.AppKey("live responses", LiveResponses)
