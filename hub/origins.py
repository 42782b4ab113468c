"""Which names a hub answers to, and which web pages may talk to it: checked always, also on loopback.

A page on any site can make its name point at 127.0.0.1 (DNS rebinding); its requests then carry that
name in `Host`.  And every page can send requests to us, which then carry the page's `Origin`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from hub.parts import ORIGINS
from runtime.errors import Forbidden

ALLOWED_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = (
    "Content-Location, Location, X-Pagination-Next, X-Request-Id, Hubbub-Run, Hubbub-Thread, Retry-After"
)
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origins:
    """What `[hub] host`, `hosts` and `origins` allow."""

    def __init__(self, host: str, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._names = _LOOPBACK_NAMES | {_name(each) for each in (host, *hosts)}
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def knows_host(self, host: str, local: str) -> bool:
        """Whether `Host` names this hub; `local` is the address the connection came in at."""
        name = _name(host)
        return name in self._names or (bool(local) and name == _name(local))

    def allows(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may talk to us: our own pages, and those listed."""
        return self.listed(origin) or _same(origin, host)

    def listed(self, origin: str) -> bool:
        """Whether the origin is another one that `[hub] origins` names."""
        return origin.lower() in self._origins


def check_origin(request: web.Request) -> None:
    """Refuse (Forbidden) a request with a name or from a page that is not ours."""
    origins, host = request.app[ORIGINS], request.headers.get("Host", "")
    local = request.transport.get_extra_info("sockname") if request.transport else None
    if not origins.knows_host(host, local[0] if isinstance(local, tuple) else ""):
        raise Forbidden(
            f"This hub is not known as {_short(host)}; add the name to [hub] hosts in config.toml."
        )
    origin = request.headers.get("Origin")
    if origin is not None and not origins.allows(origin, host):
        raise Forbidden(
            f"Pages of {_short(origin)} may not use this hub; add it to [hub] origins in config.toml."
        )


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks, before the request itself, if a page may send it."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def allow_page(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of a listed origin read the answer."""
    origin = request.headers.get("Origin", "")
    if not request.app[ORIGINS].listed(origin):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers.add("Vary", "Origin")
    if is_preflight(request):
        response.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
        response.headers["Access-Control-Allow-Headers"] = request.headers.get(
            "Access-Control-Request-Headers", ""
        )
        response.headers["Access-Control-Max-Age"] = "600"


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(_name(host).partition("%")[0]).is_loopback
    except ValueError:
        return _name(host) == "localhost"


def _name(host: str) -> str:
    """Return the name or address in `host[:port]`, in one spelling."""
    name = host.strip().lower()
    if name.startswith("[") and "]" in name:
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip(".")
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _same(origin: str, host: str) -> bool:
    """Whether a page's origin is the very name and port it talks to."""
    try:
        page, here = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        same_port = (page.port or default) == (here.port or default)
    except ValueError:
        return False
    return default is not None and same_port and _name(page.hostname or "") == _name(here.hostname or "")


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"
