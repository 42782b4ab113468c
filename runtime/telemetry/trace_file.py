"""Finished spans as JSON, one a line, in a file of bounded size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from runtime.telemetry.logs import get_logger

_log = get_logger("hubbub.telemetry")

MAX_BYTES = 64 * 1024 * 1024
"""A larger file becomes FILE.1, in place of the one before."""


class TraceFile(SpanExporter):
    """Appends batches; called by the batch processor's own thread."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._complained = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans in one write; where that fails they are lost, and the log says so once."""
        try:
            self._append(spans)
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning(
                    "Spans are lost because the trace file cannot be written; mend [telemetry] traces.",
                    file=str(self._path),
                    reason=error.strerror,
                )
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def _append(self, spans: Sequence[ReadableSpan]) -> None:
        lines = b"".join(orjson.dumps(span_record(span), option=orjson.OPT_APPEND_NEWLINE) for span in spans)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, lines)
            size = os.fstat(file).st_size
        finally:
            os.close(file)
        if size > self._max_bytes:
            self._path.replace(self._path.with_name(self._path.name + ".1"))

    def shutdown(self) -> None:
        """Nothing is held open."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Every export is written at once."""
        return True


def span_record(span: ReadableSpan) -> dict[str, Any]:
    """Return the JSON of one span; times are Unix nanoseconds, ids hex."""
    context, parent = span.context, span.parent
    start, end = span.start_time or 0, span.end_time or 0
    status: dict[str, str] = {"code": span.status.status_code.name.lower()}
    if span.status.description:
        status["message"] = span.status.description
    return {
        "name": span.name,
        "kind": span.kind.name.lower(),
        "trace_id": f"{context.trace_id:032x}" if context else "",
        "span_id": f"{context.span_id:016x}" if context else "",
        "parent_id": f"{parent.span_id:016x}" if parent else None,
        "start": start,
        "end": end,
        "duration_ms": round((end - start) / 1e6, 3),
        "attributes": dict(span.attributes or {}),
        "status": status,
        "links": [
            {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
            for link in span.links
        ],
    }
