"""The web application of an open engine: its addresses, and opening and closing the port."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from hub import commands, health, sse, webhooks
from hub import socket as websockets
from hub.auth import Attempts, Keyring
from hub.background import Background
from hub.connections import CONNECTIONS, Connections, Patience
from hub.endpoint import Endpoint
from hub.guard import add_headers, guard
from hub.origins import Origins, is_loopback
from hub.parts import ATTEMPTS, BACKGROUND, ENGINE, KEYRING, ORIGINS
from hub.routes import (
    admin,
    assistants,
    crons,
    graphs,
    runs,
    session,
    states,
    store,
    thread_stream,
    threads,
    usage,
)
from runtime.errors import CannotStart
from runtime.telemetry import get_logger

if TYPE_CHECKING:
    from runtime.engine import Engine

__all__ = ["ENDPOINTS", "ENGINE", "Server", "build_app", "serve"]

_log = get_logger(__name__)

ENDPOINTS: tuple[Endpoint, ...] = (
    *assistants.ENDPOINTS,
    *threads.ENDPOINTS,
    *states.ENDPOINTS,
    *thread_stream.ENDPOINTS,
    *crons.ENDPOINTS,
    *runs.ENDPOINTS,
    *store.ENDPOINTS,
    *usage.ENDPOINTS,
    *graphs.ENDPOINTS,
    *session.ENDPOINTS,
    *admin.ENDPOINTS,
)
"""Every address with its shapes, but the sockets, streams of the protocol and health pages."""

_LEAVE = 2.0
"""Seconds that requests have to end after the runs have stopped."""

_CLOSING = 4.0
"""Seconds of `[hub] drain` that are kept for what comes after the runs."""


def build_app(engine: Engine, patience: Patience | None = None) -> web.Application:
    """Return the application of an open engine; its keys are read when it starts."""
    settings = engine.settings
    app = web.Application(middlewares=[guard], client_max_size=settings.hub.limits.message)
    app[ENGINE] = engine
    app[KEYRING] = Keyring(engine.journal, engine.boot_token, settings.auth.mode)
    app[ATTEMPTS] = Attempts()
    app[ORIGINS] = Origins(settings.hub.host, settings.hub.hosts, settings.hub.origins)
    app[BACKGROUND] = Background()
    app[CONNECTIONS] = Connections(settings, patience or Patience())
    app.add_routes([endpoint.route() for endpoint in ENDPOINTS])
    app.add_routes((*health.ROUTES, *commands.ROUTES, *sse.ROUTES, *websockets.ROUTES))
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.extend((_parts, webhooks.deliver))
    return app


async def _parts(app: web.Application) -> AsyncIterator[None]:
    await app[KEYRING].load()
    yield
    await app[BACKGROUND].aclose()


@dataclass(frozen=True, slots=True)
class Server:
    """A hub that serves.  `url` is where programs on this machine reach it."""

    url: str
    host: str
    port: int
    engine: Engine
    runner: web.AppRunner

    async def stop(self) -> None:
        """Accept nothing more, tell sockets to move, leave runs at a step boundary, close the engine.

        All of that in `[hub] drain` seconds.
        """
        clock, drain = asyncio.get_running_loop().time, self.engine.settings.hub.drain
        until = clock() + drain
        _log.info("stopping", drain=drain)
        self.engine.draining = True
        for site in list(self.runner.sites):
            await site.stop()
        connections = self.runner.app[CONNECTIONS]
        connections.drain()
        await self.engine.drain(drain - min(_CLOSING, drain / 2))
        await connections.aclose()
        await self.runner.cleanup()
        await self.engine.aclose(max(0.0, until - clock()))


async def serve(
    engine: Engine, host: str | None = None, port: int | None = None, patience: Patience | None = None
) -> Server:
    """Serve an open engine; without `host` and `port` where its settings say, port 0 is a free one.

    CannotStart when the port is taken, the address is not ours, or it is open to others without keys.
    """
    settings = engine.settings
    host = settings.hub.host if host is None else host
    port = settings.hub.port if port is None else port
    if settings.auth.mode == "open" and not is_loopback(host):
        raise CannotStart(
            f"{host} can be reached from other machines, so the hub does not start without authentication; "
            'set [auth] mode = "keys" and make a key with `hubbub key new NAME`, or use host 127.0.0.1.'
        )
    _hush_garbage()
    runner = web.AppRunner(
        build_app(engine, patience), access_log=None, handler_cancellation=True, shutdown_timeout=_LEAVE
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotStart(_why(error, host, port)) from None
    bound = int(runner.addresses[0][1])
    return Server(f"http://{_reachable(host)}:{bound}", host, bound, engine, runner)


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program; choose one with --port (0: a free one)."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user; choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this machine; set [hub] host in config.toml to one that is."
    return f"{host}:{port} cannot be opened ({error.strerror or error}); choose another --host or --port."


def _reachable(host: str) -> str:
    """Return a host as it stands in a URL; "every address" is reached at loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == ipaddress.IPV4LENGTH // 8 else "::1")
    return f"[{address}]" if ":" in str(address) else str(address)


class _Garbage(logging.Filter):
    """What is not HTTP is the sender's affair: no traceback of ours in the log for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _hush_garbage() -> None:
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, _Garbage) for each in logger.filters):
        logger.addFilter(_Garbage())
