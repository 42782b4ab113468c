"""Spans of the steps of a graph written in Python, told from LangGraph's task events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from runtime.telemetry import Span, Telemetry

_KIND: Final = "python"


class TaskSpans:
    """Opens a span with each task and ends it with its result.

    They hang on the run's span: a step does not run in our hands, so nothing it calls becomes their child.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._open: dict[str, tuple[Span, float]] = {}

    def take(self, task: Mapping[str, Any]) -> None:
        """Look at a task event: the start of a task, or its result."""
        if "result" not in task:
            span = self._telemetry.node_span(task["name"], _KIND)
            self._open[task["id"]] = span, time.monotonic()
        elif opened := self._open.pop(task["id"], None):
            if isinstance(error := task.get("error"), Exception):
                opened[0].record(error)
            self._end(*opened)

    def end(self) -> None:
        """End what is still open, because the run ends or waits."""
        while self._open:
            self._end(*self._open.popitem()[1])

    def _end(self, span: Span, began: float) -> None:
        span.end()
        self._telemetry.metrics.step(_KIND, time.monotonic() - began)
