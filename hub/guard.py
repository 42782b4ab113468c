"""What surrounds every request: known names and pages only, and no failure without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from hub.failures import failure, request_id
from hub.origins import allow_page, check_origin, is_preflight
from hub.parts import ENGINE, PREPARED
from runtime.errors import Overloaded

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Check names and origins, and turn whatever fails into an answer."""
    try:
        check_origin(request)
        if is_preflight(request):
            return web.Response(status=204)
        _check_serving(request)
        return await handler(request)
    except asyncio.CancelledError:
        raise
    except ConnectionError:
        return web.Response(status=204)  # nobody is there to read it
    except Exception as error:
        answer = failure(error, request)
        if PREPARED in request and request.transport:
            # Half an answer cannot be taken back: the client must see that it is not whole.
            request.transport.abort()
        return answer


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Say what every answer says."""
    request[PREPARED] = True
    response.headers["X-Request-Id"] = request_id(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    allow_page(request, response)


def _check_serving(request: web.Request) -> None:
    """Refuse new work while the hub stops; what is finished can still be read."""
    if request.app[ENGINE].draining and request.method != "GET":
        raise Overloaded("The hub is stopping; send the request again in a moment.", retry_after=2.0)
