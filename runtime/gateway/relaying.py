"""A client's request in a vendor's words: passed on where the candidate knows them, else translated."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

import orjson

from runtime.errors import InvalidInput
from runtime.extensions import guard
from runtime.gateway.asking import digest
from runtime.gateway.models import Candidate
from runtime.ports import Context
from runtime.types import ChatRequest, Delta, Embeddings, RawChunk, RawRequest, Usage


class Writer(Protocol):
    """Writes one answer in a dialect."""

    def write(self, delta: Delta) -> bytes:
        """Return what a piece is in the dialect; the piece with the finish ends the answer."""


class Dialect(Protocol):
    """The language of a vendor's API."""

    name: str

    def read(self, request: RawRequest) -> ChatRequest:
        """Return the request in our words; InvalidInput for what they do not have."""

    def writer(self, request: RawRequest, model: str) -> Writer:
        """Return who writes the answer of a model."""


class RelayAsk:
    """A request in a dialect, and bytes of that dialect back."""

    piece = RawChunk
    operation = "chat"

    def __init__(self, request: RawRequest, dialect: Dialect) -> None:
        self._request, self._dialect = request, dialect
        self.whole = not request.stream

    def pieces(self, candidate: Candidate, ctx: Context, deadline: float) -> AsyncGenerator[RawChunk, None]:
        """Yield the bytes of a candidate's answer."""
        found = candidate.registered
        if self._dialect.name in getattr(found.value, "dialects", ()):
            asked = replace(self._request, model=candidate.model)
            return guard.stream(found, "relay", asked, ctx, deadline=deadline)
        return self._translated(candidate, ctx, deadline)

    async def _translated(
        self, candidate: Candidate, ctx: Context, deadline: float
    ) -> AsyncGenerator[RawChunk, None]:
        found = candidate.registered
        request = replace(read_as(self._dialect, self._request), model=candidate.model)
        writer = self._dialect.writer(self._request, candidate.label)
        async with aclosing(guard.stream(found, "stream", request, ctx, deadline=deadline)) as deltas:
            async for delta in deltas:
                yield RawChunk(writer.write(delta), delta.content, delta.usage, delta.finish)

    def fingerprint(self) -> bytes:
        """Return a hash of the whole request but its model, which the alias decides."""
        body = {name: value for name, value in self._request.body.items() if name != "model"}
        return digest([self._request.dialect, body, dict(self._request.headers)])

    def gist(self) -> tuple[str, bytes] | None:
        """Return what the user said last, when that is a text."""
        name = "messages" if "messages" in self._request.body else "input"
        given = self._request.body.get(name)
        *before, last = given if isinstance(given, list) and given else [{"role": "user", "content": given}]
        text = last.get("content") if isinstance(last, dict) and last.get("role") == "user" else None
        if not isinstance(text, str):
            return None
        body = {**self._request.body, "model": "", name: before}
        return text, digest([self._request.dialect, body, dict(self._request.headers)])

    def pack(self, pieces: Sequence[RawChunk]) -> bytes:
        """Return the bytes behind a line that says what was used."""
        last = pieces[-1]
        usage = next((piece.usage for piece in reversed(pieces) if piece.usage), Usage())
        about = orjson.dumps([last.finish, last.model, usage])
        return about + b"\n" + b"".join(piece.data for piece in pieces)

    def unpack(self, packed: bytes) -> list[RawChunk]:
        """Return the answer in one piece; nothing is paid for it again."""
        about, _, data = packed.partition(b"\n")
        finish, model, usage = orjson.loads(about)
        return [RawChunk(data, True, Usage(**{**usage, "cost_usd": 0.0}), finish, model)]

    def words(self) -> str:
        """Return the messages."""
        return orjson.dumps(self._request.body.get("messages") or self._request.body.get("input")).decode()


def read_as(dialect: Dialect, request: RawRequest) -> ChatRequest:
    """Return a request in our words; InvalidInput when it has not the shape of its dialect."""
    try:
        return dialect.read(request)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        words = f"{type(error).__name__}: {error}"[:100]
        raise InvalidInput(
            f"The request has not the shape of {dialect.name} ({words}); mend it by the API's reference."
        ) from None


class EmbedAsk:
    """Texts in, vectors out."""

    piece = Embeddings
    operation = "embeddings"
    whole = True

    def __init__(self, texts: Sequence[str], dimensions: int | None) -> None:
        self._texts, self._dimensions = texts, dimensions

    async def pieces(
        self, candidate: Candidate, ctx: Context, deadline: float
    ) -> AsyncGenerator[Embeddings, None]:
        """Yield the vectors of all texts at once."""
        found = candidate.registered
        if not callable(getattr(found.value, "embed", None)):
            raise InvalidInput(f"The provider {candidate.provider} makes no embeddings; ask another model.")
        args = (self._texts, candidate.model, self._dimensions, ctx)
        made: Any = await guard.call(found, "embed", *args, deadline=deadline)
        yield made

    def fingerprint(self) -> bytes:
        """Return a hash of the texts."""
        return digest([list(self._texts), self._dimensions])

    def gist(self) -> None:
        """Return nothing: a like text has another vector."""

    def pack(self, pieces: Sequence[Embeddings]) -> bytes:
        """Return the vectors as JSON."""
        return orjson.dumps(pieces[0], option=orjson.OPT_SERIALIZE_NUMPY)

    def unpack(self, packed: bytes) -> list[Embeddings]:
        """Return the vectors; nothing is paid for them again."""
        made = orjson.loads(packed)
        usage = Usage(**{**made["usage"], "cost_usd": 0.0})
        return [Embeddings(made["vectors"], usage, made["finish"], made["model"])]

    def words(self) -> str:
        """Return the texts."""
        return "\n\n".join(self._texts)
