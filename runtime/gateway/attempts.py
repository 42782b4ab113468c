"""One attempt at one candidate: its time limits, its span, and what a whole answer must have."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from runtime.errors import ModelError, PluginError
from runtime.extensions import guard
from runtime.extensions.context import CallContext
from runtime.extensions.deadline import Deadline
from runtime.gateway.models import Candidate
from runtime.gateway.reply import ReplyBuilder
from runtime.ports import Context
from runtime.settings import ModelAlias
from runtime.telemetry import Telemetry
from runtime.types import ChatRequest, Delta, ModelCall


async def attempt(
    candidate: Candidate,
    request: ChatRequest,
    ctx: Context,
    telemetry: Telemetry,
    *,
    alias: str,
    limits: ModelAlias,
    until: float,
    record: Callable[[ModelCall], None],
) -> AsyncGenerator[Delta, None]:
    """Yield the pieces of an answer; the last one has a `finish`.

    `until` is on time.monotonic().  ModelError, PluginError or what the provider raised when the answer
    is not whole; whether something of it was yielded before is the caller's to know.  `record` is told
    what the call used, however it ended.
    """
    started = time.monotonic()
    end = min(until, started + limits.attempt_timeout)
    first = Deadline(min(end, started + limits.first_token_timeout))
    begun, whole = False, ReplyBuilder(candidate.label)
    with telemetry.chat_span(candidate.provider, candidate.model or candidate.provider, alias=alias) as span:
        span.set(temperature=request.temperature, max_tokens=request.max_tokens)
        if span.recording:
            span.set(prompt=_prompt(request))
        asked = replace(request, model=candidate.model)
        pieces = guard.stream(candidate.registered, "stream", asked, _within(ctx, end), deadline=end)
        try:
            async with aclosing(pieces):
                while not whole.finish:
                    delta = await (anext(pieces, None) if begun else first.wait(anext(pieces, None)))
                    if delta is None:
                        raise _unfinished(candidate)
                    if type(delta) is not Delta:
                        raise _no_delta(candidate, delta)
                    whole.add(delta)
                    if not begun and (delta.text or delta.reasoning or delta.tool_call):
                        begun = True
                        first.close()
                        span.set(first_chunk=time.monotonic() - started)
                    yield delta
        except TimeoutError:
            raise ModelError(
                f"{candidate.label} sent nothing within {limits.first_token_timeout:g} s; "
                f"raise [models.{alias}] first_token_timeout, or ask again."
            ) from None
        finally:
            first.close()
            usage = whole.usage
            record(
                ModelCall(
                    at=time.time(),
                    seconds=time.monotonic() - started,
                    tenant=ctx.tenant,
                    thread=ctx.thread,
                    run=ctx.run,
                    alias=alias,
                    model=candidate.label,
                    finish=whole.finish,
                    usage=usage,
                )
            )
            telemetry.metrics.tokens(
                candidate.label,
                input=usage.input_tokens,
                output=usage.output_tokens,
                cost_usd=usage.cost_usd,
            )
            if span.recording:
                span.set(answer=whole.text, answered_by=candidate.label, finish=whole.finish or None)
                span.set(
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    cached_tokens=usage.cached_tokens or None,
                    reasoning_tokens=usage.reasoning_tokens or None,
                    cost_usd=usage.cost_usd,
                )


def _within(ctx: Context, end: float) -> Any:
    """Return the context with the attempt's own deadline."""
    return replace(ctx, deadline=min(ctx.deadline, end)) if isinstance(ctx, CallContext) else ctx


def _prompt(request: ChatRequest) -> str:
    return "\n\n".join(f"{message.get('role')}: {message.get('content')}" for message in request.messages)


def _unfinished(candidate: Candidate) -> ModelError:
    return ModelError(
        f"{candidate.label} ended its answer without a finish, so it may not be whole; ask again."
    )


def _no_delta(candidate: Candidate, piece: object) -> PluginError:
    plugin = candidate.registered.plugin
    kind = type(piece).__name__
    message = f"{plugin.file}: provider.{candidate.provider} yielded a {kind}, not a Delta; mend it."
    return PluginError(message, plugin=plugin.name)
