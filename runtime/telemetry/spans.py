"""One span, spoken to in our words; a span that costs nothing when tracing is off."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypedDict, Unpack

from runtime.errors import HubbubError
from runtime.secrets import hide_secrets
from runtime.telemetry import names

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OtelSpan


class SpanValues(TypedDict, total=False):
    """What can be said about a span; `names.py` knows the attribute of each.

    `first_chunk` is in seconds, `first_token_ms` in milliseconds.  The last five hold what people
    wrote or read and are dropped unless `[telemetry] content = true`.
    """

    thread: str | None
    run: str | None
    tenant: str | None
    status: str | None
    branch: str | None
    missing: str | None
    reason: str | None
    answered_by: str | None
    alias: str | None
    temperature: float | None
    max_tokens: int | None
    finish: str | None
    first_chunk: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    dimensions: int | None
    cost_usd: float | None
    cache: str | None
    retry: int | None
    model_version: str | None
    rows: int | None
    mode: str | None
    hits: int | None
    degraded: bool | None
    tool_call: str | None
    texts: int | None
    frames: int | None
    first_token_ms: float | None
    merged: int | None
    dropped: int | None
    resumes: int | None
    prompt: str | None
    answer: str | None
    query: str | None
    arguments: str | None
    result: str | None


class Span(Protocol):
    """Something that takes time, from its making to the end of its `with` block (or `end()`)."""

    @property
    def recording(self) -> bool:
        """Whether anybody will see it: guards the making of costly values."""

    @property
    def traceparent(self) -> str | None:
        """The W3C name of this span, for whoever goes on with its trace; None when tracing is off."""

    @property
    def trace_id(self) -> str | None:
        """The trace's id as 32 hex digits, for people and error replies."""

    def set(self, **values: Unpack[SpanValues]) -> None:
        """Say more about it; None values are left out."""

    def record(self, error: BaseException) -> None:
        """Say that it failed (a cancellation is none: it is only noted)."""

    def end(self) -> None:
        """End it; later calls do nothing."""

    def __enter__(self) -> Self:
        """Make it the parent of spans that begin inside."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record the error that leaves the block, and end."""


class NoSpan:
    """The one span there is while tracing is off."""

    __slots__ = ()
    recording = False
    traceparent: str | None = None
    trace_id: str | None = None

    def set(self, **values: Unpack[SpanValues]) -> None:
        """Forget it."""

    def record(self, error: BaseException) -> None:
        """Forget it."""

    def end(self) -> None:
        """Nothing began."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


NO_SPAN = NoSpan()


class LiveSpan:
    """A span of the OpenTelemetry SDK.

    `current` says whether the block makes it the parent of what begins inside.  It must not in a
    generator, whose block also holds what its consumer does between two pieces.
    """

    __slots__ = ("_content", "_current", "_ended", "_span", "_token")

    def __init__(self, span: OtelSpan, *, content: bool, current: bool) -> None:
        self._span, self._content, self._current = span, content, current
        self._token: Token[Context] | None = None
        self._ended = False

    @property
    def recording(self) -> bool:
        """Whether the span was sampled and has not ended."""
        return self._span.is_recording()

    @property
    def traceparent(self) -> str | None:
        """The W3C name of this span."""
        return traceparent_of(self._span)

    @property
    def trace_id(self) -> str | None:
        """The trace's id as 32 hex digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def set(self, **values: Unpack[SpanValues]) -> None:
        """Say more about it; None values are left out."""
        if not self._ended and self._span.is_recording():
            self._span.set_attributes(attributes(values, content=self._content))

    def record(self, error: BaseException) -> None:
        """Mark it as failed; only messages made for people are kept, others may hold what users wrote."""
        if self._ended:
            return
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._span.set_attribute(names.CANCELLED, True)
            return
        from opentelemetry.trace import Status, StatusCode

        told = isinstance(error, HubbubError) or self._content
        self._span.set_attribute(names.ERROR_TYPE, getattr(error, "code", None) or type(error).__qualname__)
        self._span.set_status(Status(StatusCode.ERROR, hide_secrets(str(error)) if told else None))

    def end(self) -> None:
        """End it; later calls do nothing."""
        if not self._ended:
            self._ended = True
            self._span.end()

    def __enter__(self) -> Self:
        if self._current:
            from opentelemetry.context import attach
            from opentelemetry.trace import set_span_in_context

            self._token = attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            # A generator closed by the garbage collector ends in another context than it began in.
            with contextlib.suppress(ValueError):
                self._token.var.reset(self._token)
            self._token = None
        if error is not None:
            self.record(error)
        self.end()

    def __del__(self) -> None:
        if not self._ended:
            self._span.set_attribute(names.ABANDONED, True)
            self.end()


def attributes(values: Any, *, content: bool) -> dict[str, Any]:
    """Turn our words into attributes: None is left out, secrets are masked, content only if wanted."""
    found: dict[str, Any] = {}
    for word, value in values.items():
        if value is None:
            continue
        known = names.ATTRIBUTES.get(word)
        if known is None:
            if not content:
                continue
            known = names.CONTENT[word]
        if type(value) is str:
            value = hide_secrets(value)
        if word == "finish":
            value = (value,)
        for name in known:
            found[name] = value
    return found


def traceparent_of(span: OtelSpan) -> str | None:
    """Return the W3C `traceparent` of a span, or None where there is no trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
