"""How a socket is opened: its subprotocol, and who is at the other end."""

from __future__ import annotations

from aiohttp import web

from hub.auth import COOKIE, Principal, authenticate, principal_of, token_of
from hub.parts import ATTEMPTS, ENGINE
from hub.protocol import BEARER, SUBPROTOCOL
from runtime.errors import InvalidInput, Overloaded, Unauthenticated


class BadToken(Unauthenticated):
    """A browser sent a token that nobody has: it can read a close code, but no status."""


def offered(request: web.Request) -> list[str]:
    """Return the subprotocols that a client offers."""
    return [
        each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if each.strip()
    ]


def subprotocol(request: web.Request, *, required: bool) -> str | None:
    """Return the subprotocol to answer with; InvalidInput when the one that is required is not offered."""
    choices = offered(request)
    if SUBPROTOCOL in choices:
        return SUBPROTOCOL
    if required:
        raise InvalidInput(
            f"This socket speaks the subprotocol {SUBPROTOCOL}; offer it in Sec-WebSocket-Protocol."
        )
    # A browser gives up when none of its offers is taken.
    return choices[0] if choices else None


def check_socket(request: web.Request) -> None:
    """Refuse what is no handshake, and everyone while the hub stops."""
    # With what was offered, or the library would log it, and a token may be among it.
    if not web.WebSocketResponse(protocols=offered(request)).can_prepare(request):
        raise InvalidInput("This address is a WebSocket; connect to it with a WebSocket client.")
    if request.app[ENGINE].draining:
        raise Overloaded("The hub is stopping; connect again in a moment.", retry_after=2.0)


def who(request: web.Request, *, later: bool) -> Principal | None:
    """Return who opens a socket; None when that may be said `later` and has not been said yet.

    Unauthenticated for a wrong token in the headers, BadToken for one among the subprotocols.
    """
    token = next((each[len(BEARER) :] for each in offered(request) if each.startswith(BEARER)), None)
    if token is not None:
        found = authenticate(request.app, token)
        if found is None:
            request.app[ATTEMPTS].failed(request.remote or "")
            raise BadToken("This token is not known or was revoked; make one with `hubbub key new NAME`.")
        return found
    if later and token_of(request) is None and COOKIE not in request.cookies:
        return authenticate(request.app, None)
    return principal_of(request)
