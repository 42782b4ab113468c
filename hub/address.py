"""The address a hub listens at: taken before a workspace is opened, so that a refusal has touched nothing."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.origins import is_loopback
from runtime.errors import CannotStart

if TYPE_CHECKING:
    from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port that are ours, with a socket for each of the host's addresses; nobody listens yet."""

    host: str
    port: int
    sockets: tuple[socket.socket, ...]

    @property
    def url(self) -> str:
        """Where programs on this machine reach it."""
        return f"http://{_reachable(self.host)}:{self.port}"

    def close(self) -> None:
        """Give it back."""
        for each in self.sockets:
            each.close()

    def refusal(self, error: OSError) -> CannotStart:
        """Return why it cannot be listened at."""
        return _refusal(error, self.host, self.port)


def take_address(settings: Settings, host: str | None = None, port: int | None = None) -> Address:
    """Take a host and a port, without them those of the settings; port 0 is a free one.

    CannotStart when the port is taken, the address is not ours, or it is open to others without keys.
    """
    host = settings.hub.host if host is None else host
    port = settings.hub.port if port is None else port
    if settings.auth.mode == "open" and not is_loopback(host):
        raise CannotStart(
            f"{host} can be reached from other machines, so the hub does not start without authentication; "
            'set [auth] mode = "keys" and make a key with `hubbub key new NAME`, or use host 127.0.0.1.'
        )
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, place in _addresses(host, port):
            sockets.append(_bind(family, (place[0], port or _port(sockets), *place[2:])))
    except OSError as error:
        Address(host, port, tuple(sockets)).close()
        raise _refusal(error, host, port) from None
    return Address(host, _port(sockets), tuple(sockets))


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """Resolve a host; "" is every address."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(found))  # type: ignore[arg-type]


def _bind(family: int, place: tuple[str | int, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
    except BaseException:
        made.close()
        raise
    return made


def _port(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1]) if sockets else 0


def _refusal(error: OSError, host: str, port: int) -> CannotStart:
    if error.errno == errno.EADDRINUSE:
        return CannotStart(
            f"Port {port} of {host} is in use by another program; choose one with --port (0: a free one)."
        )
    if error.errno == errno.EACCES:
        return CannotStart(f"Port {port} may not be opened by this user; choose one above 1023 with --port.")
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return CannotStart(
            f"{host} is no address of this machine; set [hub] host in config.toml to one that is."
        )
    return CannotStart(
        f"{host}:{port} cannot be opened ({error.strerror or error}); choose another --host or --port."
    )


def _reachable(host: str) -> str:
    """Return a host as it stands in a URL; "every address" is reached at loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == ipaddress.IPV4LENGTH // 8 else "::1")
    return f"[{address}]" if ":" in str(address) else str(address)
