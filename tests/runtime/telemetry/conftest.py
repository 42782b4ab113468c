"""Tracing into a file, whatever the environment asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.config import TelemetrySettings
from runtime.telemetry import Telemetry


@pytest.fixture(autouse=True)
def _no_otel_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[Telemetry]:
    """Tracing into `spans.jsonl`."""
    telemetry = Telemetry(TelemetrySettings(traces=tmp_path / "spans.jsonl"), service_version="1.2.3")
    yield telemetry
    await telemetry.aclose()
