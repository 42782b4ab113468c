"""Spans, metrics and logs: the only package that imports opentelemetry, prometheus_client and structlog."""

from runtime.telemetry.logs import bind, configure_logging, get_logger
from runtime.telemetry.metrics import METRICS_CONTENT_TYPE, Metrics, Tally
from runtime.telemetry.spans import Span, SpanValues
from runtime.telemetry.telemetry import Telemetry

__all__ = [
    "METRICS_CONTENT_TYPE",
    "Metrics",
    "Span",
    "SpanValues",
    "Tally",
    "Telemetry",
    "bind",
    "configure_logging",
    "get_logger",
]
