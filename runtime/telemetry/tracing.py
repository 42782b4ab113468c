"""The OpenTelemetry SDK, opened only when traces go somewhere."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runtime.settings import TelemetrySettings
from runtime.telemetry.spans import LiveSpan, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext, SpanKind

TRACES_PATH = "/v1/traces"
LONGEST_ATTRIBUTE = 32 * 1024

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def traces_wanted(settings: TelemetrySettings) -> bool:
    """Whether the settings or the standard OTEL_* variables say where spans go."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return bool(settings.otlp or settings.traces or _endpoint_in_environment())


def _endpoint_in_environment() -> bool:
    return any(os.environ.get(name) for name in _ENDPOINTS)


class Tracing:
    """A tracer of its own (never the process-wide one) with a batch queue for each destination."""

    def __init__(self, settings: TelemetrySettings, service_version: str) -> None:
        from opentelemetry import context, trace
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._trace, self._root = trace, context.Context()
        self._content = settings.content
        name = os.environ.get("OTEL_SERVICE_NAME", "") or "hubbub"
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name, SERVICE_VERSION: service_version}),
            span_limits=SpanLimits(max_attribute_length=LONGEST_ATTRIBUTE),
            shutdown_on_exit=False,
        )
        for exporter in _exporters(settings):
            # Small batches: encoding one must not hold up the loop.
            self._provider.add_span_processor(
                BatchSpanProcessor(
                    exporter, max_queue_size=8192, max_export_batch_size=128, schedule_delay_millis=1000
                )
            )
        self._tracer = self._provider.get_tracer("hubbub", service_version)

    def begin(
        self,
        name: str,
        attributes: dict[str, Any],
        *,
        kind: SpanKind | None = None,
        parent: str | None = None,
        links: Sequence[str | None] = (),
        inherit: bool = True,
        current: bool = True,
        start: float | None = None,
    ) -> LiveSpan:
        """Begin a span; without a valid `parent`, `inherit` says whether the current one is it."""
        trace = self._trace
        context: Context | None = None if inherit else self._root
        if (remote := _span_context(parent)) is not None:
            context = trace.set_span_in_context(trace.NonRecordingSpan(remote), self._root)
        span = self._tracer.start_span(
            name,
            context,
            kind or trace.SpanKind.INTERNAL,
            attributes,
            [trace.Link(linked) for link in links if (linked := _span_context(link)) is not None],
            None if start is None else int(start * 1e9),
        )
        return LiveSpan(span, content=self._content, current=current)

    def server(self) -> SpanKind:
        """Return the kind of spans that answer a client."""
        return self._trace.SpanKind.SERVER

    def client(self) -> SpanKind:
        """Return the kind of spans that ask another service."""
        return self._trace.SpanKind.CLIENT

    def traceparent(self) -> str | None:
        """Return the current span's W3C name."""
        return traceparent_of(self._trace.get_current_span())

    def flush(self, timeout: float) -> bool:
        """Hand over what has ended; True when all of it went out in time."""
        return _bounded(lambda left: self._provider.force_flush(max(1, int(left * 1000))), timeout)

    def shutdown(self, timeout: float) -> bool:
        """Flush and stop the exporters; gives up after `timeout` seconds, whatever a collector does."""

        def close(left: float) -> bool:
            self._provider.shutdown()
            return True

        return _bounded(close, timeout)


def _bounded(work: Callable[[float], bool], timeout: float) -> bool:
    """Run `work` in a daemon thread, so that neither a dead collector nor the exit waits for it."""
    results: list[bool] = []
    thread = threading.Thread(
        target=lambda: results.append(work(timeout)), name="telemetry-flush", daemon=True
    )
    thread.start()
    thread.join(timeout)
    return bool(results and results[0])


def _exporters(settings: TelemetrySettings) -> list[SpanExporter]:
    found: list[SpanExporter] = []
    if settings.traces is not None:
        from runtime.telemetry.trace_file import TraceFile

        found.append(TraceFile(settings.traces))
    if settings.otlp or _endpoint_in_environment():
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        found.append(OTLPSpanExporter(endpoint=_with_path(settings.otlp) if settings.otlp else None))
    return found


def _with_path(endpoint: str) -> str:
    """Complete a collector's address, as OTEL_EXPORTER_OTLP_ENDPOINT is."""
    plain = endpoint.rstrip("/")
    return plain if plain.endswith(TRACES_PATH) else plain + TRACES_PATH


def _span_context(traceparent: str | None) -> SpanContext | None:
    """Read a W3C `traceparent`; None when there is none or it is not one."""
    found = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    if found is None or (found[4] and found[0].startswith("00")):  # only later versions may go on
        return None
    from opentelemetry.trace import SpanContext, TraceFlags

    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16) & 1)
    )
    return context if context.is_valid else None
