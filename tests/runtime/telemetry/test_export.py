"""Spans reach a collector or a file; one that is dead, full or closed holds nothing up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runtime.config import TelemetrySettings
from runtime.telemetry import Telemetry
from runtime.telemetry.spans import NO_SPAN

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Sink:
    """An OTLP receiver: keeps what is posted to /v1/traces."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(body=b"", content_type="application/x-protobuf")

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    app = web.Application()
    app.router.add_post("/v1/traces", sink.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    sink.url = f"http://{host}:{port}"
    yield sink
    await runner.cleanup()


async def test_a_collector_gets_the_spans_with_service_and_version(sink: Sink) -> None:
    telemetry = Telemetry(TelemetrySettings(otlp=sink.url), service_version="1.2.3")
    with telemetry.request_span("run.start", thread="t1", traceparent=TRACEPARENT), telemetry.admit_span():
        pass
    assert await telemetry.flush()
    by_name = {span.name: span for span in sink.spans()}
    assert by_name["hubbub.request run.start"].trace_id.hex() == TRACE
    assert by_name["hub.admit"].parent_span_id == by_name["hubbub.request run.start"].span_id
    resource = {
        item.key: item.value.string_value for item in sink.requests[0].resource_spans[0].resource.attributes
    }
    assert (resource["service.name"], resource["service.version"]) == ("hubbub", "1.2.3")
    assert await telemetry.aclose()


async def test_closing_sends_what_is_left_and_spans_after_it_are_nothing(sink: Sink) -> None:
    telemetry = Telemetry(TelemetrySettings(otlp=sink.url + "/v1/traces"))
    telemetry.admit_span().end()
    assert await telemetry.aclose()
    assert [span.name for span in sink.spans()] == ["hub.admit"]
    assert telemetry.admit_span() is NO_SPAN


async def test_a_dead_collector_holds_up_neither_the_loop_nor_the_end() -> None:
    stuck = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    telemetry = Telemetry(TelemetrySettings(otlp=f"http://127.0.0.1:{port}"))
    telemetry.admit_span().end()
    closing = asyncio.create_task(telemetry.aclose(0.2))
    turns = 0
    while not closing.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 3
    assert await closing is False
    stuck.set()
    server.close()


async def test_the_trace_file_is_bounded_private_and_never_mixes_lines(tmp_path: Path) -> None:
    from runtime.telemetry.trace_file import TraceFile

    path = tmp_path / "deep" / "spans.jsonl"
    telemetry = Telemetry(TelemetrySettings(traces=path))
    for _ in range(300):
        telemetry.node_span("n", "set").end()
    await telemetry.aclose()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 300
    assert path.stat().st_mode & 0o077 == 0
    small = TraceFile(path, max_bytes=10)
    small.export([])
    assert not path.exists()
    assert path.with_name("spans.jsonl.1").exists()


async def test_a_trace_file_that_cannot_be_written_is_told_once_and_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = Telemetry(TelemetrySettings(traces=tmp_path))
    for _ in range(3):
        telemetry.admit_span().end()
        await telemetry.flush()
    await telemetry.aclose()
    assert [record.getMessage() for record in caplog.records] == [
        "Spans are lost because the trace file cannot be written; mend [telemetry] traces."
    ]
