"""Answers that are given again: per tenant, for the very same request, by the candidate that gave them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from runtime.gateway.asking import P
from runtime.gateway.attempts import Call
from runtime.gateway.models import Candidate
from runtime.ports import Cache
from runtime.telemetry import Telemetry, get_logger

_KEPT = ("stop", "tool_calls")
"""How an answer ends that is worth giving again."""

_log = get_logger(__name__)


class Answers:
    """The exact cache.  It is asked for each candidate in turn, so a better one is never passed over."""

    def __init__(self, cache: Cache, telemetry: Telemetry) -> None:
        self._cache, self._telemetry = cache, telemetry

    async def get(self, call: Call[P], candidate: Candidate) -> list[P] | None:
        """Return a candidate's answer to this request, None when it has given none lately."""
        if not call.limits.cache.exact:
            return None
        packed = await self._asked(_key(call, candidate))
        if packed is None:
            return None
        with self._telemetry.model_span(
            call.ask.operation, candidate.provider, candidate.model or candidate.provider, alias=call.alias
        ) as span:
            span.set(cache="exact", answered_by=candidate.label)
        self._telemetry.metrics.answer_reused(candidate.label, "exact")
        return call.ask.unpack(packed)

    async def kept(
        self, call: Call[P], candidate: Candidate, pieces: AsyncGenerator[P, None]
    ) -> AsyncGenerator[P, None]:
        """Yield the pieces, and keep them when they are a whole answer."""
        ttl = call.limits.cache.exact
        seen: list[P] = []
        async with aclosing(pieces):
            async for piece in pieces:
                if ttl:
                    seen.append(piece)
                    if piece.finish in _KEPT:
                        # Before the last piece is given away: whoever has it may not come back.
                        await self._keep(_key(call, candidate), call.ask.pack(seen), ttl)
                yield piece

    async def _asked(self, key: str) -> bytes | None:
        try:
            return await self._cache.get(key)
        except Exception as error:
            _log.warning("the cache cannot be read", reason=str(error))
            return None

    async def _keep(self, key: str, packed: bytes, ttl: float) -> None:
        try:
            await self._cache.set(key, packed, ttl)
        except Exception as error:
            _log.warning("the cache cannot be written", reason=str(error))


def _key(call: Call[P], candidate: Candidate) -> str:
    # Lengths before names: no tenant can be named so that it meets another one's keys.
    tenant = call.ctx.tenant
    return f"answer:{len(tenant)}:{tenant}:{candidate.label}:{call.ask.fingerprint().hex()}"
