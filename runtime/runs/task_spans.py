"""Spans of the steps of a graph written in Python, told from LangGraph's task events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from runtime.telemetry import Span, Telemetry

_KIND: Final = "python"


class TaskSpans:
    """Opens a span with each task and ends it with its result.

    They hang on the run's span.  A step does not run in our hands: what it calls is told whose child it is.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._open: dict[str, tuple[Span, float]] = {}

    def take(self, task: Mapping[str, Any]) -> None:
        """Look at a task event: the start of a task, or its result."""
        if "result" not in task:
            self._opened(task["id"], task["name"])
        elif opened := self._open.pop(task["id"], None):
            if isinstance(error := task.get("error"), Exception):
                opened[0].record(error)
            self._end(*opened)

    def traceparent(self, place: str) -> str | None:
        """Return the W3C name of the span of a step, given its place as LangGraph writes it."""
        step, _, task = place.rpartition("|")[2].partition(":")
        # A step may call something before LangGraph's stream has told that it began.
        return self._opened(task, step).traceparent if task else None

    def _opened(self, task: str, step: str) -> Span:
        if task not in self._open:
            self._open[task] = self._telemetry.node_span(step, _KIND), time.monotonic()
        return self._open[task][0]

    def end(self) -> None:
        """End what is still open, because the run ends or waits."""
        while self._open:
            self._end(*self._open.popitem()[1])

    def _end(self, span: Span, began: float) -> None:
        span.end()
        self._telemetry.metrics.step(_KIND, time.monotonic() - began)
