"""`/auth/session`: a browser exchanges a key for a cookie, which it can send on a socket, too."""

from __future__ import annotations

import time

from aiohttp import web

from hub.auth import COOKIE, SESSION_SECONDS
from hub.endpoint import Call, Endpoint, Nothing, reply
from hub.parts import KEYRING


async def begin(call: Call[Nothing]) -> web.Response:
    """Begin a session for whoever sent a key."""
    response = reply({"tenant": call.tenant, "expires_in": SESSION_SECONDS})
    response.set_cookie(
        COOKIE,
        call.request.app[KEYRING].session(call.principal, time.time()),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=call.request.secure,
    )
    return response


async def end(call: Call[Nothing]) -> web.Response:
    """Forget the session."""
    response = web.Response(status=204)
    response.del_cookie(COOKIE, httponly=True, samesite="Strict")
    return response


ENDPOINTS = (
    Endpoint("POST", "/auth/session", "session.begin", begin),
    Endpoint("DELETE", "/auth/session", "session.end", end),
)
