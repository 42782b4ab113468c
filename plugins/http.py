"""tool.http: one request to another service, within `[egress]` and within bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, JsonObject, PluginError, hookimpl

if TYPE_CHECKING:
    import aiohttp

_REDIRECTS = 5
_MOVED = 301, 302, 303, 307, 308
_CHUNK = 64 * 1024
_WRONG = 400


class Settings(BaseModel):
    """`[plugins.http]`: bounds that no graph can raise, and headers of the operator's own."""

    kilobytes: int = Field(default=1024, ge=1, le=64 * 1024, description="the largest answer, in KiB")
    timeout: float = Field(default=30.0, gt=0, description="seconds that one request may take, at most")
    headers: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description='headers by host, such as "api.example.com" = { Authorization = "secret:API_TOKEN" }',
    )


class Request(BaseModel):
    """What is asked for; `json` becomes the body."""

    url: str = Field(description="an address that begins with http:// or https://")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(default="GET")
    query: dict[str, str | int | float] = Field(default_factory=dict, description="added to the address")
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json", description="sent as JSON")
    text: str | None = Field(default=None, description="sent as it is, instead of json")
    timeout: float = Field(default=10.0, gt=0, description="seconds")
    fail: bool = Field(default=True, description="whether an answer of 400 or more is a failure")


class Http:
    """What reads follows redirects, to where it may go by itself; a body that is too large is not read."""

    name = "http"
    description = "Sends one HTTP request and returns status, headers and body."
    Args = Request

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self, args: Request, ctx: Context) -> JsonObject:
        """Return `{status, url, headers, json | text}`; what writes carries the call's idempotency key."""
        import aiohttp

        timeout = min(args.timeout, self._settings.timeout)
        try:
            async with asyncio.timeout(timeout):
                answer = await self._ask(args, ctx)
        except TimeoutError:
            raise PluginError(
                f"{_host(args.url)} gave no answer within {timeout:g} s; raise timeout"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = str(error) if "[egress]" in str(error) else type(error).__name__
            raise PluginError(
                f"{_host(args.url)} cannot be reached ({why}); mend url, or try again"
            ) from None
        if args.fail and answer["status"] >= _WRONG:
            said = f"{_host(args.url)} answered {answer['status']}"
            raise PluginError(f"{said}; mend the request, or set fail = false to see the answer")
        return answer

    async def _ask(self, args: Request, ctx: Context) -> JsonObject:
        url, reads = args.url, args.method in ("GET", "HEAD")
        for _ in range(_REDIRECTS + 1):
            async with ctx.http().request(
                args.method,
                url,
                params=args.query if url == args.url else None,
                headers=self._headers(args, url, ctx),
                json=args.json_body if args.text is None else None,
                data=args.text.encode() if args.text is not None else None,
                allow_redirects=False,
            ) as answer:
                target = answer.headers.get("Location") if answer.status in _MOVED and reads else None
                if target is None:
                    return _told(answer, await self._read(answer))
                url = urljoin(str(answer.url), target)
        raise PluginError(f"{_host(args.url)} redirects without end; mend url")

    def _headers(self, args: Request, url: str, ctx: Context) -> dict[str, str]:
        """Return what is sent: what belongs to one place does not follow a redirect to another."""
        headers = dict(args.headers) if _origin(url) == _origin(args.url) else {}
        if args.method not in ("GET", "HEAD"):
            headers.setdefault("Idempotency-Key", ctx.idempotency_key)
        return headers | self._settings.headers.get(_host(url), {})

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        most = self._settings.kilobytes * 1024
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > most:
                raise InvalidInput(
                    f"{_host(str(answer.url))} answered more than {self._settings.kilobytes} KiB; "
                    "ask for less, or raise [plugins.http] kilobytes"
                )
        return bytes(body)


def _told(answer: aiohttp.ClientResponse, body: bytes) -> JsonObject:
    """Return the answer; its body as JSON where it says that it is, else as text."""
    import orjson

    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "set-cookie"}
    told = {"status": answer.status, "url": str(answer.url), "headers": headers}
    if "json" in answer.content_type and body:
        try:
            return {**told, "json": orjson.loads(body)}
        except orjson.JSONDecodeError:
            pass
    try:
        return {**told, "text": body.decode(answer.charset or "utf-8", errors="replace")}
    except LookupError:  # a charset that does not exist
        return {**told, "text": body.decode(errors="replace")}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _host(url: str) -> str:
    """Return what may be told of an address: its path and query may hold a secret."""
    try:
        return urlsplit(url).hostname or "the address"
    except ValueError:
        return "the address"


@hookimpl
def register_tools(settings: Settings) -> list[Http]:
    """Supply `tool.http`."""
    return [Http(settings)]
