"""The HTTP client that tools, webhooks and plugins use: it reaches only what the egress rule permits."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from runtime.egress import Egress


def open_client(egress: Egress, timeout: float = 60.0) -> aiohttp.ClientSession:
    """Return a client that reaches nothing else: whatever names resolve to, wherever redirects lead.

    It keeps no cookies, because tenants share it.  `timeout` in seconds is that of a request that sets
    none of its own.  A request that may not be sent raises InvalidInput, or OSError after the look-up.
    """

    async def permitted(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        egress.check(str(request.url))  # also for every redirect: an address needs no look-up
        return await send(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Resolver(egress), use_dns_cache=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout),
        middlewares=(permitted,),
    )


class _Resolver(AbstractResolver):
    """Looks names up, and leaves out the addresses that may not be reached."""

    def __init__(self, egress: Egress) -> None:
        self._egress, self._inner = egress, ThreadedResolver(loop=asyncio.get_running_loop())

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [each for each in found if self._egress.permits(host, each["host"])]
        if not allowed:
            raise OSError(f"{host} resolves to addresses that [egress] allow does not list")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
