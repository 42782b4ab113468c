"""What a candidate is asked, and what it gives: the road is the same for messages, raw bytes and vectors."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import msgspec
import orjson

from runtime.extensions import guard
from runtime.gateway.models import Candidate
from runtime.gateway.reply import ReplyBuilder
from runtime.ports import Context
from runtime.types import ChatRequest, Delta, Usage


class Piece(Protocol):
    """A part of an answer.  The last one has a `finish`."""

    @property
    def content(self) -> bool:
        """Whether it cannot be taken back once it was shown."""

    @property
    def usage(self) -> Usage | None:
        """What was used so far."""

    @property
    def finish(self) -> str | None:
        """Why the answer ended here."""


P = TypeVar("P", bound=Piece)


class Ask(Protocol[P]):
    """One request, in a form that every candidate can be asked."""

    piece: type[P]
    operation: str
    """What spans call it: "chat" or "embeddings"."""
    whole: bool
    """Whether the answer comes as a whole, so that nothing can be expected of it before its end."""

    def pieces(self, candidate: Candidate, ctx: Context, deadline: float) -> AsyncGenerator[P, None]:
        """Yield a candidate's answer, until `deadline` on time.monotonic()."""

    def fingerprint(self) -> bytes:
        """Return what two requests share only when they ask for the same."""

    def gist(self) -> tuple[str, bytes] | None:
        """Return the last question and a hash of all the rest; None when the request is not of that kind."""

    def pack(self, pieces: Sequence[P]) -> bytes:
        """Return a whole answer as bytes, for a cache."""

    def unpack(self, packed: bytes) -> list[P]:
        """Return the answer that was packed."""

    def words(self) -> str:
        """Return the request as people read it, for spans that may hold content."""


class ChatAsk:
    """Messages in, deltas out."""

    piece = Delta
    operation = "chat"
    whole = False

    def __init__(self, request: ChatRequest) -> None:
        self._request = request

    def pieces(self, candidate: Candidate, ctx: Context, deadline: float) -> AsyncGenerator[Delta, None]:
        """Yield what the provider streams."""
        asked = replace(self._request, model=candidate.model)
        return guard.stream(candidate.registered, "stream", asked, ctx, deadline=deadline)

    def fingerprint(self) -> bytes:
        """Return a hash of the whole request but its model, which the alias decides."""
        return digest(replace(self._request, model=""))

    def gist(self) -> tuple[str, bytes] | None:
        """Return what the user said last, when that is a text."""
        *before, last = self._request.messages or ({},)
        if last.get("role") != "user" or not isinstance(last.get("content"), str):
            return None
        return last["content"], digest(replace(self._request, model="", messages=before))

    def pack(self, pieces: Sequence[Delta]) -> bytes:
        """Return the deltas with their texts joined."""
        whole = ReplyBuilder()
        for piece in pieces:
            whole.add(piece)
        return orjson.dumps(whole.reply())

    def unpack(self, packed: bytes) -> list[Delta]:
        """Return the answer in few pieces; nothing is paid for it again."""
        answer: dict[str, Any] = orjson.loads(packed)
        usage = msgspec.convert({**answer["usage"], "cost_usd": 0.0}, Usage)
        found = [Delta(reasoning=answer["reasoning"], signature=answer["signature"])]
        found.append(Delta(text=answer["text"]))
        found += [msgspec.convert({"tool_call": call}, Delta) for call in answer["tool_calls"]]
        last = Delta(usage=usage, finish=answer["finish"], model=answer["model"])
        return [*(piece for piece in found if piece.content), last]

    def words(self) -> str:
        """Return the messages."""
        messages = self._request.messages
        return "\n\n".join(f"{message.get('role')}: {message.get('content')}" for message in messages)


def digest(value: Any) -> bytes:
    """Return a hash of a JSON value or frozen data; the order of keys does not matter."""
    canonical = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(canonical, digest_size=20).digest()
