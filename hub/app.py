"""The web application of an open engine: its addresses, and how it begins and ends to serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from hub import commands, health, socket, sse, webhooks
from hub.address import Address, take_address
from hub.auth import Attempts, Keyring
from hub.background import Background
from hub.connections import CONNECTIONS, Connections, Patience
from hub.endpoint import Endpoint
from hub.guard import add_headers, guard
from hub.origins import Origins
from hub.parts import ATTEMPTS, BACKGROUND, ENGINE, KEYRING, ORIGINS
from hub.responses.live import LIVE, LiveResponses
from hub.routes import (
    admin,
    assistants,
    batches,
    crons,
    graphs,
    interactions,
    mcp,
    response_socket,
    responses,
    runs,
    session,
    states,
    store,
    thread_stream,
    threads,
    usage,
    v2,
    vendors,
)
from runtime.telemetry import get_logger
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.engine import Engine
    from runtime.graphs.served import GraphState

__all__ = ["ENDPOINTS", "ENGINE", "Server", "build_app", "serve"]

_log = get_logger(__name__)

ENDPOINTS: tuple[Endpoint, ...] = (
    *assistants.ENDPOINTS,
    *threads.ENDPOINTS,
    *states.ENDPOINTS,
    *thread_stream.ENDPOINTS,
    *crons.ENDPOINTS,
    *batches.ENDPOINTS,
    *runs.ENDPOINTS,
    *store.ENDPOINTS,
    *interactions.ENDPOINTS,
    *usage.ENDPOINTS,
    *vendors.ENDPOINTS,
    *v2.ENDPOINTS,
    *responses.ENDPOINTS,
    *graphs.ENDPOINTS,
    *mcp.ENDPOINTS,
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
    app[KEYRING] = Keyring(
        *(engine.journal, engine.boot_token, settings.auth.mode),
        bound=lambda key: engine.gateway.limit_key(key.id, key.limits),
    )
    app[ATTEMPTS] = Attempts()
    app[ORIGINS] = Origins(settings.hub.host, settings.hub.hosts, settings.hub.origins)
    app[BACKGROUND] = Background()
    app[LIVE] = LiveResponses(engine, app[BACKGROUND])
    app[CONNECTIONS] = Connections(settings, patience or Patience())
    app.add_routes([endpoint.route() for endpoint in ENDPOINTS])
    app.add_routes((*health.ROUTES, *v2.ROUTES, *commands.ROUTES))
    app.add_routes((*sse.ROUTES, *socket.ROUTES, *response_socket.ROUTES))
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.extend((_parts, webhooks.deliver))
    return app


async def _parts(app: web.Application) -> AsyncIterator[None]:
    await app[KEYRING].load()
    app[ENGINE].graphs.told = partial(_tell_of_graph, app[CONNECTIONS])
    yield
    await app[BACKGROUND].aclose()


def _tell_of_graph(connections: Connections, state: GraphState) -> None:
    about: JsonObject = {"graph": state.name, "version": state.version}
    if state.canary:
        about |= {"canary": state.canary, "percent": state.percent}
    if state.draft:
        about["draft"] = state.draft
    connections.tell("graphs", {**about, "problems": [str(finding) for finding in state.findings]})


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
    engine: Engine, address: Address | None = None, *, patience: Patience | None = None
) -> Server:
    """Serve an open engine at an address that was taken, else at that of its settings; CannotStart."""
    address = address or take_address(engine.settings)
    _hush_garbage()
    runner = web.AppRunner(
        build_app(engine, patience), access_log=None, handler_cancellation=True, shutdown_timeout=_LEAVE
    )
    await runner.setup()
    try:
        for each in address.sockets:
            await web.SockSite(runner, each).start()
    except OSError as error:
        await runner.cleanup()
        address.close()
        raise address.refusal(error) from None
    return Server(address.url, address.host, address.port, engine, runner)


class _Garbage(logging.Filter):
    """What is not HTTP is the sender's affair: no traceback of ours in the log for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _hush_garbage() -> None:
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, _Garbage) for each in logger.filters):
        logger.addFilter(_Garbage())
