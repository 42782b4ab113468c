"""Spans and usage of LangChain's models and tools that the steps of a graph written in Python call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from runtime.records import ModelCall, Run
from runtime.runs.chunks import usage_of
from runtime.runs.task_spans import TaskSpans
from runtime.telemetry import Span, Telemetry
from runtime.types import Usage

_OURS = "hubbub"
"""The type of the hub's own models, whose calls the gateway tells and counts."""


@dataclass(slots=True)
class _Call:
    span: Span
    began: float
    model: str
    begun: bool = False


class StepCalls(BaseCallbackHandler):
    """Hears of each call from LangChain, also in the thread of a step that is a plain function.

    `record` is told of every call of a model, in the loop, however it ended.
    """

    run_inline = True
    ignore_chain = ignore_retriever = ignore_retry = ignore_custom_event = True

    def __init__(
        self, run: Run, telemetry: Telemetry, spans: TaskSpans, record: Callable[[ModelCall], None]
    ) -> None:
        self._run, self._telemetry, self._spans, self._record = run, telemetry, spans, record
        self._loop = asyncio.get_running_loop()
        self._open: dict[UUID, _Call] = {}

    def on_chat_model_start(
        self,
        serialized: Mapping[str, Any] | None,
        messages: Any,
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Open the span of a call of a model."""
        if (more.get("invocation_params") or {}).get("_type") == _OURS:
            return
        about = metadata or {}
        provider = str(about.get("ls_provider") or "langchain")
        model = str(about.get("ls_model_name") or (serialized or {}).get("name") or provider)
        span = self._telemetry.model_span("chat", provider, model, parent=self._step(about))
        span.set(temperature=about.get("ls_temperature"), max_tokens=about.get("ls_max_tokens"))
        if span.recording:
            said = [message for each in messages for message in each]
            span.set(prompt="\n\n".join(f"{message.type}: {message.text}" for message in said))
        self._open[run_id] = _Call(span, time.monotonic(), f"{provider}:{model}")

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **more: Any) -> None:
        """Note when the first piece came."""
        if (call := self._open.get(run_id)) and not call.begun:
            call.begun = True
            call.span.set(first_chunk=time.monotonic() - call.began)

    def on_llm_end(self, response: Any, *, run_id: UUID, **more: Any) -> None:
        """Say what the call used, and end its span."""
        if (call := self._open.pop(run_id, None)) is None:
            return
        message = response.generations[0][0].message
        said = message.response_metadata
        finish = str(said.get("finish_reason") or said.get("stop_reason") or "stop")
        usage = usage_of(message.usage_metadata) if message.usage_metadata else Usage()
        call.span.set(
            finish=finish,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens or None,
            reasoning_tokens=usage.reasoning_tokens or None,
        )
        if call.span.recording:
            call.span.set(answer=message.text)
        self._end(call, finish, usage)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """End the span of a call that failed."""
        if call := self._open.pop(run_id, None):
            call.span.record(error)
            self._end(call, "", Usage())

    def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Open the span of a call of a tool."""
        name = str((serialized or {}).get("name") or "tool")
        span = self._telemetry.tool_span(name, arguments=input_str, parent=self._step(metadata or {}))
        span.set(tool_call=more.get("tool_call_id"))
        self._open[run_id] = _Call(span, time.monotonic(), "")

    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        """End it."""
        if call := self._open.pop(run_id, None):
            if call.span.recording:
                call.span.set(result=str(getattr(output, "content", output)))
            call.span.end()

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """End it as failed."""
        if call := self._open.pop(run_id, None):
            call.span.record(error)
            call.span.end()

    def close(self) -> None:
        """End the spans of calls that were cut off."""
        while self._open:
            self._open.popitem()[1].span.end()

    def _step(self, metadata: Mapping[str, Any]) -> str | None:
        return self._spans.traceparent(str(metadata.get("langgraph_checkpoint_ns") or ""))

    def _end(self, call: _Call, finish: str, usage: Usage) -> None:
        call.span.end()
        run = self._run
        told = ModelCall(
            at=time.time(),
            seconds=time.monotonic() - call.began,
            tenant=run.tenant,
            thread=run.thread,
            run=run.id,
            alias="",
            model=call.model,
            finish=finish,
            usage=usage,
        )
        self._loop.call_soon_threadsafe(self._record, told)
