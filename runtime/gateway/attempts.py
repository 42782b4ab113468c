"""One attempt at one candidate: its time limits, its span, its price, and what a whole answer must have."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Generic

from runtime.errors import ModelError, PluginError
from runtime.extensions.context import CallContext
from runtime.extensions.deadline import Deadline
from runtime.gateway.asking import Ask, P
from runtime.gateway.models import Candidate
from runtime.gateway.prices import Prices
from runtime.gateway.reply import ReplyBuilder
from runtime.ports import Context
from runtime.records import ModelCall
from runtime.settings import ModelAlias
from runtime.telemetry import Span, Telemetry
from runtime.types import Delta, Usage


@dataclass(frozen=True, slots=True)
class Call(Generic[P]):
    """A request on its way: what is asked of which alias, for whom, until when (on time.monotonic())."""

    ask: Ask[P]
    alias: str
    limits: ModelAlias
    ctx: Context
    until: float


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Who is told of every attempt, and who knows what it costs."""

    telemetry: Telemetry
    record: Callable[[ModelCall], None]
    prices: Prices


class Attempt(Generic[P]):
    """One try of one candidate.  `begun` says whether a part of the answer was shown."""

    def __init__(self, call: Call[P], candidate: Candidate, books: Bookkeeping, retry: int = 0) -> None:
        self._call, self._candidate, self._books, self._retry = call, candidate, books, retry
        self._started = time.monotonic()
        self._end = min(call.until, self._started + call.limits.attempt_timeout)
        self._usage, self._finish = Usage(), ""
        self.first_after: float | None = None

    @property
    def begun(self) -> bool:
        """Whether a part of the answer was given, which cannot be taken back."""
        return self.first_after is not None

    async def pieces(self) -> AsyncGenerator[P, None]:
        """Yield the pieces of an answer; the last one has a `finish`.

        Nothing is yielded before the first content, so that a failure until then stays unseen.
        ModelError, PluginError or what the provider raised when the answer is not whole.
        """
        call, candidate, telemetry = self._call, self._candidate, self._books.telemetry
        with telemetry.model_span(
            call.ask.operation, candidate.provider, candidate.model or candidate.provider, alias=call.alias
        ) as span:
            whole = ReplyBuilder() if span.recording else None
            self._describe(span)
            outcome = "left"
            try:
                async with aclosing(self._asked()) as pieces:
                    async for piece in pieces:
                        if whole and isinstance(piece, Delta):
                            whole.add(piece)
                        yield piece
                outcome = "answered"
            except Exception as error:
                outcome = getattr(error, "reason", None) or "failed"
                raise
            finally:
                self._note(span, outcome, whole)

    async def _asked(self) -> AsyncGenerator[P, None]:
        soon = self._end if self._call.ask.whole else self._started + self._call.limits.first_token_timeout
        first = Deadline(min(self._end, soon))
        held: list[P] = []
        pieces = self._call.ask.pieces(self._candidate, _within(self._call.ctx, self._end), self._end)
        try:
            async with aclosing(pieces):
                while not self._finish:
                    piece = await (anext(pieces, None) if self.begun else first.wait(anext(pieces, None)))
                    if piece is None:
                        raise _unfinished(self._candidate)
                    if type(piece) is not self._call.ask.piece:
                        raise _nonsense(self._candidate, piece, self._call.ask.piece)
                    held.append(self._noted(piece))
                    if piece.content and not self.begun:
                        self.first_after = time.monotonic() - self._started
                        first.close()
                    if self.begun or self._finish:
                        for ready in held:
                            yield ready
                        held.clear()
        except TimeoutError:
            raise self._silent() from None
        finally:
            first.close()

    def _noted(self, piece: P) -> P:
        """Take down what a piece says of usage and end; returns it with the price."""
        told: dict[str, Any] = {}
        if piece.usage is not None:
            told["usage"] = self._usage = self._books.prices.priced(piece.usage, self._candidate)
        if piece.finish:
            self._finish, told["model"] = piece.finish, self._candidate.label
        return replace(piece, **told) if told else piece  # type: ignore[type-var]

    def _describe(self, span: Span) -> None:
        span.set(retry=self._retry or None)
        if span.recording:
            span.set(prompt=self._call.ask.words())

    def _note(self, span: Span, outcome: str, whole: ReplyBuilder | None) -> None:
        """Tell journal, metrics and span how it ended and what it used."""
        usage, candidate, ctx = self._usage, self._candidate, self._call.ctx
        self._books.record(
            ModelCall(
                at=time.time(),
                seconds=time.monotonic() - self._started,
                tenant=ctx.tenant,
                thread=ctx.thread,
                run=ctx.run,
                alias=self._call.alias,
                model=candidate.label,
                finish=self._finish,
                usage=usage,
                key=key_of(ctx),
            )
        )
        metrics = self._books.telemetry.metrics
        metrics.attempt(candidate.label, outcome, self.first_after)
        metrics.tokens(
            candidate.label, input=usage.input_tokens, output=usage.output_tokens, cost_usd=usage.cost_usd
        )
        if span.recording:
            span.set(
                answer=whole.text if whole else None,
                answered_by=candidate.label,
                finish=self._finish or None,
                first_chunk=self.first_after,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cached_tokens=usage.cached_tokens or None,
                reasoning_tokens=usage.reasoning_tokens or None,
                cost_usd=usage.cost_usd,
            )

    def _silent(self) -> ModelError:
        limits, alias = self._call.limits, self._call.alias
        name = "attempt_timeout" if self._call.ask.whole else "first_token_timeout"
        return ModelError(
            f"{self._candidate.label} sent nothing within {getattr(limits, name):g} s; "
            f"raise [models.{alias}] {name}, or ask again.",
            reason="timeout",
        )


def key_of(ctx: Context) -> str:
    """Return the id of the API key on whose behalf a call is made, "" where there is none."""
    return ctx.key if isinstance(ctx, CallContext) else ""


def _within(ctx: Context, end: float) -> Any:
    """Return the context with the attempt's own deadline."""
    return replace(ctx, deadline=min(ctx.deadline, end)) if isinstance(ctx, CallContext) else ctx


def _unfinished(candidate: Candidate) -> ModelError:
    return ModelError(
        f"{candidate.label} ended its answer without a finish, so it may not be whole; ask again."
    )


def _nonsense(candidate: Candidate, piece: object, wanted: type) -> PluginError:
    plugin = candidate.registered.plugin
    kind, name = type(piece).__name__, wanted.__name__
    message = f"{plugin.file}: provider.{candidate.provider} yielded a {kind}, not a {name}; mend it."
    return PluginError(message, plugin=plugin.name)
