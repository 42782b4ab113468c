"""What plugins that ask a vendor over HTTP share: its client, its events, its refusals in our words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from runtime.errors import FailureReason, HubbubError, ModelError
from runtime.secrets import hide_secrets
from runtime.types import JsonObject, RawRequest

if TYPE_CHECKING:
    import aiohttp

MAX_EVENT = 4 * 1024 * 1024
"""Bytes of one event of a vendor's stream; one that is larger, or never ends, is no answer."""

MAX_ANSWER = 256 * 1024 * 1024
"""Bytes of an answer that comes as a whole: two thousand long vectors are half of that."""

CONNECT = 10.0
"""Seconds that a connection to a vendor may take."""

_LONGEST = 300
_TOO_LONG = re.compile(
    r"context.{0,20}(length|window)|too long|too many (input )?tokens|maximum context", re.I
)
_NO_CREDIT = re.compile(r"insufficient_quota|billing|credit balance|exceeded your current quota", re.I)
_REFUSED = re.compile(r"content_policy|content_filter|content management policy|safety system", re.I)


@dataclass(frozen=True, slots=True)
class Vendor:
    """Who is asked: the name that sentences use, and where its key is configured."""

    name: str
    key: str

    def refusal(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> ModelError:
        """Return what an error response means.  `body` is its JSON, or its text."""
        words, kind = _words(body)
        reason = _reason(status, kind, words)
        told = f" ({status}: {words})" if words and reason != "auth" else f" ({status})"
        after = retry_after(headers or {})
        return ModelError(f"{self.name} {self._sentence(reason, told)}.", reason=reason, retry_after=after)

    def broken(self, what: str) -> ModelError:
        """Return the error for an answer that is not whole, or not what the vendor promises."""
        return ModelError(f"{self.name} {what}; ask again.", reason="broken")

    def unreachable(self, error: BaseException) -> ModelError:
        """Return the error for a connection that cannot be made, or broke."""
        cause = error.__cause__ or error
        words = hide_secrets(" ".join(str(cause).split()))[:_LONGEST].rstrip(".") or type(cause).__name__
        return ModelError(
            f"{self.name} cannot be reached ({words}); look at the network and at its base_url.",
            reason="unavailable",
        )

    def _sentence(self, reason: FailureReason, told: str) -> str:
        match reason:
            case "auth":
                return f"does not accept the key{told}; put a valid one into {self.key}"
            case "quota":
                return f"gives no more credit{told}; add some there, or name another candidate"
            case "rate_limit":
                return f"is asked too often{told}; ask again later, or name another candidate"
            case "overloaded" | "unavailable":
                return f"cannot answer now{told}; ask again later, or name another candidate"
            case "too_long":
                return f"takes no messages as long as these{told}; shorten them"
            case "refused":
                return f"refuses this content{told}; ask for something else"
            case _:
                return f"does not take this request{told}; mend it, or the model's name in config.toml"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, None when it does not say."""
    if millis := _number(headers.get("retry-after-ms")):
        return millis / 1000
    asked = headers.get("retry-after")
    if asked is None or (seconds := _number(asked)) is not None:
        return seconds if asked else None
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


class Events:
    """Cuts the bytes of an event stream into the data of its events; nothing in it can grow without end."""

    __slots__ = ("_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest, self._size = b"", 0
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that end in this chunk; ValueError when one is too large."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        found = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
                self._size += len(line)
            elif self._data and line in (b"", b"\r"):
                found.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        if self._size + len(self._rest) > MAX_EVENT:
            raise ValueError(f"an event of more than {MAX_EVENT // 1024**2} MiB")
        return found


@dataclass(frozen=True, slots=True)
class Door:
    """Where a vendor takes requests that are passed on as they are, and the headers with its key."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)


class Service:
    """A vendor's SDK client, imported and made in a thread when it is first needed, and then kept.

    For the clients of OpenAI and Anthropic, which are made by one generator: `post` with raw bytes,
    errors with `status_code`, `body` and `response`.  What is passed on as it is needs no SDK, which
    costs more than all the rest of the way.
    """

    def __init__(self, vendor: Vendor, door: Door, make: Callable[[], Any]) -> None:
        self.vendor, self._door, self._make = vendor, door, make
        self._client: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._making = asyncio.Lock()

    async def client(self) -> Any:
        """Return the client."""
        if self._client is None:
            async with self._making:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._make)
        return self._client

    async def aclose(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()
        if self._session is not None:
            await self._session.close()

    async def passed(self, path: str, request: RawRequest) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the answer to a request that is passed on; errors as in `chunks`."""
        import aiohttp

        session = self._session or await self._open()
        begun = False
        headers = {**self._door.headers, **request.headers, "Content-Type": "application/json"}
        body = orjson.dumps({**request.body, "model": request.model})
        try:
            async with session.post(self._door.base_url + path, data=body, headers=headers) as answer:
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise self.vendor.refusal(answer.status, _json(await answer.read()), answer.headers)
                begun = True
                async for chunk in answer.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            if begun:
                raise self.vendor.broken("broke off in the middle of its answer") from error
            raise self.vendor.unreachable(error) from error

    async def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        async with self._making:
            if self._session is None:
                # Once: the session would ask the environment in two other threads, for each request.
                proxy = await asyncio.to_thread(_proxy, self._door.base_url)
                timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
                connector = aiohttp.TCPConnector(limit=0)
                self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, proxy=proxy)
            return self._session

    async def chunks(self, path: str, body: bytes) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of an answer as they come; ModelError for a refusal or a broken line."""
        client = await self.client()
        # Raw bytes: the SDK's own objects for each chunk cost four times as much.
        sent = {"Content-Type": "application/json", "X-Stainless-Raw-Response": "stream"}
        response = None
        try:
            response = await client.post(path, cast_to=object, content=body, options={"headers": sent})
            async for chunk in response.http_response.aiter_bytes():
                yield chunk
        except HubbubError:
            raise
        except Exception as error:
            raise self._failure(error, begun=response is not None) from error
        finally:
            if response is not None:
                await response.close()

    async def events(self, path: str, body: JsonObject) -> AsyncGenerator[JsonObject, None]:
        """Yield the JSON of each event of a stream; ModelError when it is none, or says an error."""
        async with aclosing(self.batches(self.chunks(path, orjson.dumps(body)))) as batches:
            async for batch in batches:
                for event, _ in batch:
                    yield event

    async def batches(
        self, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[list[tuple[JsonObject, bytes]], None]:
        """Yield the events of a stream, each with its bytes, as many at once as came at once."""
        events = Events()
        async with aclosing(chunks):
            async for chunk in chunks:
                try:
                    found = events.feed(chunk)
                except ValueError as error:
                    raise self.vendor.broken(f"sent {error}") from None
                if batch := [(self.event(data), data) for data in found if data != b"[DONE]"]:
                    yield batch
                if found and found[-1] == b"[DONE]":
                    return

    def event(self, data: bytes) -> JsonObject:
        """Return the JSON of one event; ModelError when it is none, or says an error."""
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise self.vendor.broken("sent an event that is not JSON") from None
        if not isinstance(value, dict):
            raise self.vendor.broken("sent an event that is no JSON object")
        if value.get("error"):
            raise self.vendor.refusal(_status(value["error"]), value)
        return value

    async def whole(self, chunks: AsyncGenerator[bytes, None]) -> tuple[JsonObject, bytes]:
        """Return the JSON of a whole answer, and its bytes."""
        parts, size = [], 0
        async with aclosing(chunks):
            async for chunk in chunks:
                parts.append(chunk)
                if (size := size + len(chunk)) > MAX_ANSWER:
                    raise self.vendor.broken(f"sent an answer of more than {MAX_ANSWER // 1024**2} MiB")
        data = b"".join(parts)
        return self.event(data), data

    def _failure(self, error: Exception, *, begun: bool) -> ModelError:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return self.vendor.refusal(
                status, getattr(error, "body", None), getattr(getattr(error, "response", None), "headers", {})
            )
        if begun:
            return self.vendor.broken("broke off in the middle of its answer")
        return self.vendor.unreachable(error)


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def _words(body: Any) -> tuple[str, str]:
    """Return the vendor's message, without secrets, and its words for the kind of error."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        error = {"message": error}
    message = hide_secrets(" ".join(str(error.get("message") or "").split()))[:_LONGEST].rstrip(".")
    return message, f"{error.get('code') or ''} {error.get('type') or ''}"


def _status(error: Any) -> int:
    """Return the status that an error inside a stream would have had."""
    kind = str(error.get("type") or error.get("code") or "") if isinstance(error, Mapping) else ""
    known = {"rate_limit": 429, "overloaded": 529, "authentication": 401, "invalid_request": 400}
    return next((status for word, status in known.items() if word in kind), 500)


def _reason(status: int, kind: str, words: str) -> FailureReason:
    told = f"{kind} {words}"
    if status in (401, 403) and not _REFUSED.search(told):
        return "auth"
    if status == 402 or (status in (400, 429) and _NO_CREDIT.search(told)):
        return "quota"
    if status == 429:
        return "rate_limit"
    if status in (408, 409) or status >= 500:
        return "overloaded" if status in (503, 529) else "unavailable"
    if status == 413 or _TOO_LONG.search(told):
        return "too_long"
    return "refused" if _REFUSED.search(told) else "invalid"


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 86400 * 365 else None
