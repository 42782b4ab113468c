"""Answers that are given again: per tenant, to the same or a like request, by who gave them first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic

from runtime.gateway.asking import P
from runtime.gateway.attempts import Call
from runtime.gateway.gists import Gists, Group
from runtime.gateway.models import Candidate
from runtime.ports import Cache
from runtime.telemetry import Telemetry, get_logger

if TYPE_CHECKING:
    from runtime.ports import Vectors

_KEPT = ("stop", "tool_calls")
"""How an answer ends that is worth giving again."""

Embed = Callable[[Sequence[str]], Awaitable["Vectors | None"]]

_log = get_logger(__name__)


async def no_model(texts: Sequence[str]) -> None:
    """Embed nothing: there is no model."""


class Answers:
    """The exact and the semantic cache.

    They are asked for each candidate in turn, so the answer of a lesser one never stands in for that of
    a better one.
    """

    def __init__(self, cache: Cache, telemetry: Telemetry, embed: Embed) -> None:
        self.cache, self.telemetry, self.embed = cache, telemetry, embed
        self.gists = Gists()

    def of(self, call: Call[P], candidate: Candidate) -> Remembered[P]:
        """Return what is remembered of a candidate about a request."""
        return Remembered(self, call, candidate)


class Remembered(Generic[P]):
    """One candidate's earlier answer to one request, and where its new one is kept."""

    def __init__(self, answers: Answers, call: Call[P], candidate: Candidate) -> None:
        self._all, self._call, self._candidate = answers, call, candidate
        self._settings = call.limits.cache
        self._vector: Any = None
        self._group: Group | None = None

    async def get(self) -> list[P] | None:
        """Return the earlier answer, None when there is none."""
        if not self._settings.on:
            return None
        if self._settings.exact and (packed := await self._read(self._key())) is not None:
            return self._again(packed, "exact")
        if self._settings.semantic and (packed := await self._alike(self._settings.semantic)) is not None:
            return self._again(packed, "semantic")
        return None

    def kept(self, pieces: AsyncGenerator[P, None]) -> AsyncGenerator[P, None]:
        """Yield the pieces of a new answer, and keep them when it is a whole one."""
        return self._seen(pieces) if self._settings.on else pieces

    async def _seen(self, pieces: AsyncGenerator[P, None]) -> AsyncGenerator[P, None]:
        seen: list[P] = []
        async with aclosing(pieces):
            async for piece in pieces:
                seen.append(piece)
                if piece.finish in _KEPT:
                    # Before the last piece is given away: whoever has it may not come back.
                    await self._keep(self._call.ask.pack(seen))
                yield piece

    async def _alike(self, least: float) -> bytes | None:
        gist = self._call.ask.gist()
        if gist is None:
            return None
        question, rest = gist
        vectors = await self._all.embed([question])
        if vectors is None:
            _log.warning("no embedding model, so answers are not found by meaning", model=self._call.alias)
            return None
        self._vector, self._group = vectors[0], (self._call.ctx.tenant, self._candidate.label, rest)
        key = self._all.gists.nearest(self._group, self._vector, least)
        return None if key is None else await self._read(key)

    def _again(self, packed: bytes, how: str) -> list[P]:
        candidate, call = self._candidate, self._call
        with self._all.telemetry.model_span(
            call.ask.operation, candidate.provider, candidate.model or candidate.provider, alias=call.alias
        ) as span:
            span.set(cache=how, answered_by=candidate.label)
        self._all.telemetry.metrics.answer_reused(candidate.label, how)
        return call.ask.unpack(packed)

    async def _read(self, key: str) -> bytes | None:
        try:
            return await self._all.cache.get(key)
        except Exception as error:
            _log.warning("the cache cannot be read", reason=str(error))
            return None

    async def _keep(self, packed: bytes) -> None:
        key, ttl = self._key(), self._settings.exact or self._settings.ttl
        try:
            await self._all.cache.set(key, packed, ttl)
        except Exception as error:
            _log.warning("the cache cannot be written", reason=str(error))
            return
        if self._group is not None:
            self._all.gists.note(self._group, self._vector, key, ttl)

    def _key(self) -> str:
        # Lengths before names: no tenant can be named so that it meets another one's keys.
        tenant = self._call.ctx.tenant
        return f"answer:{len(tenant)}:{tenant}:{self._candidate.label}:{self._call.ask.fingerprint().hex()}"
