"""The line to one MCP server: a program that is started, or an address; it says when it may have ended."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from runtime.settings import McpServer, Settings

CONNECT = 30.0
"""Seconds for a server to start and to say who it is, and for one listing of its tools."""
_PAGES = 50

_SECRET = re.compile(r"secret:[A-Za-z_][A-Za-z0-9_]*")


@asynccontextmanager
async def connected(name: str, wanted: McpServer, settings: Settings) -> AsyncGenerator[Line]:
    """Connect, and be connected until the block ends."""
    stirred = asyncio.Event()
    async with _transport(name, wanted, settings) as transport:
        client = Client(_Watched(transport, stirred))
        async with asyncio.timeout(CONNECT):
            await client.__aenter__()
        try:
            yield Line(client, stirred)
        finally:
            await client.__aexit__(None, None, None)


class Line:
    """A server that has answered.  `stirred` is set when it may be gone."""

    def __init__(self, client: Client, stirred: asyncio.Event) -> None:
        self.client, self.stirred = client, stirred

    async def stirs(self, seconds: float) -> None:
        """Wait until it may be gone, but no longer than so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stirred.wait(), seconds)
        self.stirred.clear()

    async def tools(self) -> list[Any]:
        """List its tools, as they are now."""
        found: list[Any] = []
        cursor = None
        async with asyncio.timeout(CONNECT):
            for _ in range(_PAGES):
                page = await self.client.list_tools(cursor=cursor, cache_mode="refresh")
                found += page.tools
                if not (cursor := page.next_cursor):
                    break
        return found


@asynccontextmanager
async def _transport(name: str, wanted: McpServer, settings: Settings) -> AsyncGenerator[Any]:
    if wanted.command:
        program, *args = wanted.command
        env = _resolved(wanted.env, f"[mcp.{name}] env", settings)
        started = StdioServerParameters(command=program, args=args, env=env, cwd=settings.workspace)
        # What it writes for people goes where the hub's own words go.
        yield stdio_client(started, errlog=sys.__stderr__ or sys.stderr)
        return
    headers = _resolved(wanted.headers, f"[mcp.{name}] headers", settings)
    async with create_mcp_http_client(headers=headers) as http:
        yield streamable_http_client(wanted.url, http_client=http)


def _resolved(values: Mapping[str, str], place: str, settings: Settings) -> dict[str, str]:
    """Put secrets where they are named, also inside a text such as "Bearer secret:NAME"; MissingSecret."""
    return {
        key: _SECRET.sub(lambda found: settings.secret(found[0], needed_by=place), value)
        for key, value in values.items()
    }


class _Watched:
    """A transport that says when there is nothing more to read from it."""

    def __init__(self, transport: Any, stirred: asyncio.Event) -> None:
        self._transport, self._stirred = transport, stirred

    async def __aenter__(self) -> tuple[Any, Any]:
        read, write = await self._transport.__aenter__()
        return _WatchedReader(read, self._stirred), write

    async def __aexit__(self, *error: Any) -> Any:
        return await self._transport.__aexit__(*error)


class _WatchedReader:
    def __init__(self, reader: Any, stirred: asyncio.Event) -> None:
        self._reader, self._stirred = reader, stirred

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def __aenter__(self) -> _WatchedReader:
        await self._reader.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._reader.__aexit__(*error)

    def __aiter__(self) -> _WatchedReader:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._reader.__anext__()
        except BaseException:
            self._stirred.set()
            raise
