"""One span for each run that a connection is shown: how many frames, and how soon the first token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.routes.run_view import ends
from runtime.errors import HubbubError
from runtime.records import Run
from runtime.telemetry import Span
from runtime.types import Event

if TYPE_CHECKING:
    from runtime.engine import Engine


@dataclass(slots=True)
class _Shown:
    """A run that is being shown."""

    run: Run
    span: Span
    frames: int = 0
    first_token: bool = False


class DeliverySpans:
    """Belongs to a connection while tracing is on; `link` is the span of the connection."""

    def __init__(self, engine: Engine, link: str | None) -> None:
        self.resumes = 0
        self.merged = 0
        self.dropped = 0
        self._engine, self._link = engine, link
        self._shown: dict[str, _Shown] = {}

    async def note(self, tenant: str, events: Sequence[Event]) -> None:
        """Take note of events that were written."""
        for event in events:
            shown = self._shown.get(event.run) or await self._begin(tenant, event.run)
            if shown is None:
                continue
            shown.frames += 1
            if not shown.first_token and event.data.get("event") == "content-block-delta":
                shown.first_token = True
                shown.span.set(first_token_ms=(time.time() - shown.run.created_at) * 1000)
            if ends(event):
                self._end(self._shown.pop(event.run))

    def close(self) -> None:
        """End all of them: the connection is closed."""
        for shown in self._shown.values():
            self._end(shown)
        self._shown.clear()

    async def _begin(self, tenant: str, run: str) -> _Shown | None:
        try:
            found = await self._engine.runs.get(tenant, run)
        except HubbubError:
            return None  # deleted meanwhile
        span = self._engine.telemetry.deliver_span(parent=found.traceparent, links=(self._link,))
        span.set(run=run, thread=found.thread, tenant=tenant)
        shown = self._shown[run] = _Shown(found, span)
        return shown

    def _end(self, shown: _Shown) -> None:
        shown.span.set(frames=shown.frames, merged=self.merged, dropped=self.dropped, resumes=self.resumes)
        self.merged = self.dropped = 0
        shown.span.end()
