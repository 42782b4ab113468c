"""Spans arrive with their names, their parents and their links, and hold no secret."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes

from runtime.config import TelemetrySettings, load_settings
from runtime.errors import ModelError
from runtime.telemetry import Telemetry, names
from runtime.telemetry.spans import NO_SPAN, SpanValues
from runtime.telemetry.tracing import _span_context

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


async def spans(telemetry: Telemetry, folder: Path) -> dict[str, dict[str, Any]]:
    """The finished spans by name, from the file."""
    assert await telemetry.flush()
    path = folder / "spans.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {span["name"]: span for span in map(json.loads, lines)}


# --------------------------------------------------------------------------- off


def test_tracing_that_goes_nowhere_is_one_object_that_does_nothing() -> None:
    telemetry = Telemetry()
    assert not telemetry.tracing
    made = [
        telemetry.request_span("run.start", thread="t", traceparent=TRACEPARENT),
        telemetry.admit_span(),
        telemetry.queue_span(parent=TRACEPARENT),
        telemetry.workflow_span("ask", "v"),
        telemetry.node_span("n", "llm"),
        telemetry.retrieval_span("docs"),
        telemetry.embeddings_span("minilm"),
        telemetry.model_span("chat", "extractive", "extractive"),
        telemetry.tool_span("http"),
        telemetry.deliver_span(),
    ]
    assert all(span is NO_SPAN for span in made)
    with NO_SPAN as span:
        span.set(input_tokens=1)
        span.record(ValueError())
        assert (span.traceparent, span.trace_id, span.recording) == (None, None, False)
    assert telemetry.traceparent() is None


async def test_closing_without_tracing_is_at_once_and_may_be_repeated() -> None:
    telemetry = Telemetry()
    assert await telemetry.flush(0)
    assert await telemetry.aclose(0)
    assert await telemetry.aclose(0)


def test_without_traces_neither_the_sdk_nor_structlog_is_imported() -> None:
    code = (
        "import sys; from runtime.telemetry import Telemetry, get_logger; "
        "t = Telemetry(); t.node_span('n', 'llm').end(); get_logger('hubbub.x').info('hello'); "
        "print([m for m in sys.modules if m.split('.')[0] in ('opentelemetry', 'structlog')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"


def test_the_standard_variable_turns_tracing_on_and_another_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert Telemetry().tracing
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not Telemetry(TelemetrySettings(otlp="http://127.0.0.1:9")).tracing


# --------------------------------------------------------------------------- the tree of a request


async def work(traced: Telemetry, carried: str | None) -> None:
    """Be a run of two steps, with what they call."""
    with traced.queue_span(parent=carried, start=1_700_000_000.0):
        pass
    with traced.workflow_span("ask", "abc123", 1, run="r1", thread="t1", tenant="acme", parent=carried):
        with traced.node_span("find", "retriever.hybrid", "hybrid", "1.0"):
            with traced.retrieval_span("docs") as retrieval:
                retrieval.set(hits=3, mode="hybrid", degraded=False)
            with traced.embeddings_span("minilm", texts=2):
                pass
        with traced.node_span("answer", "llm"):
            with traced.model_span("chat", "extractive", "extractive", alias="writer") as chat:
                chat.set(
                    input_tokens=5,
                    output_tokens=7,
                    finish="stop",
                    first_chunk=0.01,
                    answered_by="extractive",
                )
            with traced.tool_span("http"):
                pass


async def test_one_request_is_one_trace_with_the_spans_of_the_blueprint(
    traced: Telemetry, tmp_path: Path
) -> None:
    with traced.request_span(
        "run.start", thread="t1", run="r1", tenant="acme", traceparent=TRACEPARENT
    ) as request:
        with traced.admit_span():
            pass
        carried = traced.traceparent()
        assert carried == request.traceparent
        assert request.trace_id == TRACE

    await asyncio.create_task(work(traced, carried))
    deliver = traced.deliver_span(parent=carried)
    deliver.set(frames=9, first_token_ms=1.5, merged=2, dropped=0, resumes=0)
    deliver.end()

    found = await spans(traced, tmp_path)
    assert {span["trace_id"] for span in found.values()} == {TRACE}
    by_id = {span["span_id"]: name for name, span in found.items()}
    assert {name: by_id.get(span["parent_id"]) for name, span in found.items()} == {
        "hubbub.request run.start": None,
        "hub.admit": "hubbub.request run.start",
        "hub.queue": "hubbub.request run.start",
        "invoke_workflow ask": "hubbub.request run.start",
        "node find": "invoke_workflow ask",
        "retrieval docs": "node find",
        "embeddings minilm": "node find",
        "node answer": "invoke_workflow ask",
        "chat extractive": "node answer",
        "execute_tool http": "node answer",
        "hub.deliver": "hubbub.request run.start",
    }
    request_span = found["hubbub.request run.start"]
    assert request_span["parent_id"] == PARENT
    assert request_span["kind"] == "server"
    assert request_span["attributes"]["gen_ai.conversation.id"] == "t1"
    assert request_span["attributes"]["hubbub.tenant"] == "acme"
    assert found["hub.queue"]["start"] == 1_700_000_000 * 10**9
    assert found["invoke_workflow ask"]["attributes"]["gen_ai.workflow.name"] == "ask"
    assert found["chat extractive"]["attributes"] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "extractive",
        "gen_ai.request.model": "extractive",
        "gen_ai.response.model": "extractive",
        "hubbub.model.alias": "writer",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.01,
    }
    assert found["node find"]["duration_ms"] >= found["retrieval docs"]["duration_ms"]
    assert found["node find"]["start"] <= found["retrieval docs"]["start"] <= found["retrieval docs"]["end"]


async def test_a_resumed_run_begins_a_trace_of_its_own_that_is_linked_to_the_first(
    traced: Telemetry, tmp_path: Path
) -> None:
    with (
        traced.request_span("something else"),
        traced.workflow_span("ask", "v", 2, links=[TRACEPARENT, "nonsense", None]),
    ):
        pass
    span = (await spans(traced, tmp_path))["invoke_workflow ask"]
    assert span["parent_id"] is None
    assert span["trace_id"] != TRACE
    assert span["links"] == [{"trace_id": TRACE, "span_id": PARENT}]
    assert span["attributes"]["hubbub.attempt"] == 2


async def test_parallel_steps_have_the_workflow_as_their_parent_and_not_each_other(
    traced: Telemetry, tmp_path: Path
) -> None:
    async def step(name: str) -> None:
        with traced.node_span(name, "set"):
            await asyncio.sleep(0)
            with traced.retrieval_span(f"of {name}"):
                await asyncio.sleep(0)

    with traced.workflow_span("g", "v"):
        await asyncio.gather(step("a"), step("b"))
    found = await spans(traced, tmp_path)
    assert (
        found["node a"]["parent_id"] == found["node b"]["parent_id"] == found["invoke_workflow g"]["span_id"]
    )
    assert found["retrieval of a"]["parent_id"] == found["node a"]["span_id"]
    assert found["retrieval of b"]["parent_id"] == found["node b"]["span_id"]


async def test_a_chat_in_a_generator_is_not_the_parent_of_what_its_consumer_does(
    traced: Telemetry, tmp_path: Path
) -> None:
    async def stream() -> AsyncIterator[str]:
        with traced.model_span("chat", "p", "m"):
            yield "a"
            yield "b"

    with traced.node_span("n", "llm"):
        async for piece in stream():
            with traced.tool_span(piece):
                pass
    found = await spans(traced, tmp_path)
    assert (
        found["execute_tool a"]["parent_id"]
        == found["execute_tool b"]["parent_id"]
        == found["node n"]["span_id"]
    )
    assert found["chat m"]["parent_id"] == found["node n"]["span_id"]


# --------------------------------------------------------------------------- every span ends


async def test_a_cancelled_step_ends_its_span_and_is_no_error(traced: Telemetry, tmp_path: Path) -> None:
    entered = asyncio.Event()

    async def step() -> None:
        with traced.node_span("slow", "llm"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(step())
    await entered.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    span = (await spans(traced, tmp_path))["node slow"]
    assert span["status"] == {"code": "unset"}
    assert span["attributes"]["hubbub.cancelled"] is True


async def test_a_span_that_is_dropped_unfinished_ends_with_the_garbage(
    traced: Telemetry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stream() -> Iterator[int]:
        with traced.retrieval_span("docs"):
            yield 1

    pieces = stream()
    next(pieces)
    del pieces
    traced.deliver_span()
    gc.collect()
    found = await spans(traced, tmp_path)
    assert found["retrieval docs"]["attributes"]["hubbub.cancelled"] is True
    assert found["hub.deliver"]["attributes"]["hubbub.abandoned"] is True
    # What exports to a collector that is gone may speak at any time.
    assert [record.message for record in caplog.records if "exporter" not in record.name] == []


async def test_a_generator_closed_in_another_task_ends_its_span_quietly(
    traced: Telemetry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream() -> AsyncIterator[int]:
        with traced.node_span("n", "llm"):
            yield 1
            yield 2

    pieces = stream()
    await asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
    await asyncio.create_task(pieces.aclose())  # type: ignore[attr-defined]
    assert "node n" in await spans(traced, tmp_path)
    assert caplog.text == ""


async def test_an_error_is_recorded_with_its_code_and_only_sentences_of_ours_are_kept(
    traced: Telemetry, tmp_path: Path
) -> None:
    with pytest.raises(ModelError), traced.model_span("chat", "p", "m"):
        raise ModelError("No candidate of writer answered; look at the log.")
    with pytest.raises(ValueError), traced.tool_span("t"):
        raise ValueError("what the customer wrote")
    found = await spans(traced, tmp_path)
    assert found["chat m"]["status"] == {
        "code": "error",
        "message": "No candidate of writer answered; look at the log.",
    }
    assert found["chat m"]["attributes"]["error.type"] == "model_error"
    assert found["execute_tool t"]["status"] == {"code": "error"}
    assert found["execute_tool t"]["attributes"]["error.type"] == "ValueError"


# --------------------------------------------------------------------------- what spans may hold


CONTENT: SpanValues = {"prompt": "private words", "answer": "private words", "result": "private words"}


@pytest.mark.parametrize("content", [False, True])
async def test_what_people_wrote_is_in_spans_only_when_asked(tmp_path: Path, content: bool) -> None:
    telemetry = Telemetry(TelemetrySettings(traces=tmp_path / "spans.jsonl", content=content))
    with telemetry.model_span("chat", "p", "m") as chat:
        chat.set(**CONTENT)
    with telemetry.retrieval_span("docs", query="private words"):
        pass
    with telemetry.tool_span("t", arguments="private words"):
        pass
    await telemetry.aclose()
    assert ("private words" in (tmp_path / "spans.jsonl").read_text()) is content


async def test_no_span_holds_a_secret(
    traced: Telemetry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKER", "marker-secret-value")
    load_settings(tmp_path).secret("MARKER", needed_by="a test")
    with traced.model_span("chat", "p", "m") as chat:
        chat.set(branch="x marker-secret-value")
        chat.record(ModelError("Refused: marker-secret-value."))
    await traced.flush()
    assert "marker-secret-value" not in (tmp_path / "spans.jsonl").read_text()


def test_every_name_of_the_conventions_is_one_they_have() -> None:
    known = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
    used = {name for group in (names.ATTRIBUTES, names.CONTENT) for found in group.values() for name in found}
    assert {name for name in used if name.startswith("gen_ai.")} <= known
    assert names.OPERATION == gen_ai_attributes.GEN_AI_OPERATION_NAME
    assert names.ERROR_TYPE == error_attributes.ERROR_TYPE


def test_every_value_a_span_can_be_told_has_a_name() -> None:
    assert set(SpanValues.__annotations__) <= set(names.ATTRIBUTES) | set(names.CONTENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        TRACEPARENT.upper(),
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
    ],
)
def test_what_is_no_traceparent_is_ignored(text: str) -> None:
    assert _span_context(text) is None


def test_a_traceparent_of_a_later_version_is_understood() -> None:
    found = _span_context(f"01-{TRACE}-{PARENT}-01-more")
    assert found is not None
    assert found.trace_id == int(TRACE, 16)


@given(st.text(max_size=80))
def test_any_traceparent_is_read_or_ignored(text: str) -> None:
    _span_context(text)
