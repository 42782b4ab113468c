"""From an alias to an answer: which candidate is asked, how often, and when the next one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from runtime.errors import HubbubError, InvalidInput, ModelError, Overloaded
from runtime.extensions.catalog import Catalog
from runtime.extensions.failures import in_words
from runtime.gateway.answers import Answers
from runtime.gateway.asking import P
from runtime.gateway.attempts import Attempt, Bookkeeping, Call
from runtime.gateway.hedge import hedged
from runtime.gateway.models import Candidate, candidates, describe, in_order
from runtime.gateway.retries import wait_before_retry
from runtime.gateway.standing import Standing, Standings
from runtime.telemetry import get_logger

_log = get_logger(__name__)

Failures = list[tuple[Candidate, HubbubError]]


class Road:
    """Asks the candidates of an alias, one after the other, until one has given a whole answer.

    Before the first content a failure is tried again, and then the next candidate is asked, unseen.
    After it nothing can be taken back, so a failure is the caller's to know.
    """

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        books: Bookkeeping,
        standings: Standings,
        answers: Answers,
    ) -> None:
        self._catalog, self._books = catalog, books
        self._standings, self._answers = standings, answers

    async def travel(self, call: Call[P]) -> AsyncGenerator[P, None]:
        """Yield the pieces of an answer; ModelError, or InvalidInput when nobody takes the request."""
        failures: Failures = []
        usable = candidates(call.limits, self._catalog())
        waiting = in_order(usable, call.limits, self._standings.latency)
        while waiting:
            if failures:
                if time.monotonic() >= call.until:
                    break
                self._books.telemetry.metrics.fallback(call.alias)
            async with aclosing(self._leg(call, waiting, failures)) as pieces:
                told = False
                async for piece in pieces:
                    told = True
                    yield piece
            if told:
                return
        raise self._failed(call, failures)

    def _leg(self, call: Call[P], waiting: list[Candidate], failures: Failures) -> AsyncGenerator[P, None]:
        """Return the answer of the next candidate, or of the two next where the first is slow to begin."""
        first = self._from_one(call, waiting.pop(0), failures)
        if not call.limits.hedge_after or not waiting or call.ask.whole:
            return first
        return hedged(first, lambda: self._from_one(call, waiting.pop(0), failures), call.limits.hedge_after)

    async def _from_one(
        self, call: Call[P], candidate: Candidate, failures: Failures
    ) -> AsyncGenerator[P, None]:
        """Yield one candidate's answer, after as many tries as it takes; nothing when it has none."""
        remembered = self._answers.of(call, candidate)
        if (known := await remembered.get()) is not None:
            for piece in known:
                yield piece
            return
        await self._books.prices.learn(candidate)
        standing, tries = self._standings.of(candidate.label), 0
        while admitted := standing.admit():
            attempt = Attempt(call, candidate, self._books, tries)
            try:
                async with aclosing(remembered.kept(attempt.pieces())) as pieces:
                    async for piece in pieces:
                        if piece.finish:
                            standing.answered(attempt.first_after)
                        yield piece
                return
            except HubbubError as error:
                _judge(standing, call, error)
                if attempt.begun:
                    raise _broke_off(candidate, error) from error
                tries += 1
                wait = wait_before_retry(tries, error, call.limits.retry_after_max)
                if tries > call.limits.retries or wait is None or time.monotonic() + wait >= call.until:
                    failures.append((candidate, error))
                    _log.warning(
                        "candidate failed", model=call.alias, candidate=candidate.label, reason=str(error)
                    )
                    return
            finally:
                standing.released(admitted)
            await asyncio.sleep(wait)
        failures.append((candidate, self._rests(candidate)))

    def _rests(self, candidate: Candidate) -> HubbubError:
        standing = self._standings.of(candidate.label)
        words = self._standings.resting(candidate.label) or "is being tried by another request"
        return ModelError(
            f"it {words}; ask again later.", reason="overloaded", retry_after=standing.resting or 1.0
        )

    def _failed(self, call: Call[P], failures: Failures) -> HubbubError:
        errors = [error for _, error in failures]
        if errors and all(isinstance(error, InvalidInput) for error in errors):
            return errors[-1]
        skipped = describe(call.limits, self._catalog()).skipped
        told = [f"{candidate.label}: {in_words(error)}" for candidate, error in failures]
        told += [f"{label} is not usable: {reason}" for label, reason in skipped.items()]
        models = [error for error in errors if isinstance(error, ModelError)]
        return ModelError(
            f"The model {call.alias} could not answer ({' · '.join(told)}); "
            f"mend one of these, or name another in [models.{call.alias}] use.",
            reason=models[-1].reason if models else "unavailable" if errors or skipped else "invalid",
            retry_after=min((error.retry_after for error in models if error.retry_after), default=None),
        )


def _judge(standing: Standing, call: Call[P], error: HubbubError) -> None:
    """Count a failure against a candidate, unless it was the request that was wrong."""
    if isinstance(error, InvalidInput | Overloaded):
        return
    if isinstance(error, ModelError) and error.reason in ("invalid", "too_long", "refused"):
        return
    asked = error.retry_after if isinstance(error, ModelError) else None
    too_long = asked is not None and asked > call.limits.retry_after_max
    standing.failed(call.limits.breaker, asked if too_long else None)


def _broke_off(candidate: Candidate, error: HubbubError) -> ModelError:
    # What was said cannot be taken back: another candidate would say it twice.
    words = f"{candidate.label} broke off in the middle of its answer ({in_words(error)})"
    return ModelError(f"{words}; ask again.", reason="broken")
