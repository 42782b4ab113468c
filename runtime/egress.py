"""Where this hub may send requests of its own: `[egress] allow`, and public addresses where it is empty."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from runtime.errors import InvalidInput

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Egress:
    """`allow` holds host names (`*.example.com`), addresses and networks.

    Without any entry every public address may be reached; with some, only what they name.
    """

    def __init__(self, allow: Sequence[str]) -> None:
        self._networks = [network for entry in allow if (network := _network(entry))]
        self._names = [entry.lower() for entry in allow if not _network(entry)]

    def check(self, url: str) -> str:
        """Return the address of a request; InvalidInput when it is none, or may not be reached."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or parts.username or parts.password:
            raise InvalidInput(f"{url[:100]} is no address; send one like https://example.com/hook.")
        refused = InvalidInput(
            f"This hub may not send anything to {host[:100]}; add it to [egress] allow in config.toml."
        )
        address = _address(host)
        if address is not None:
            if not self._reachable(address, named=False):
                raise refused
        elif not self._named(host) and (self._names or self._networks):
            raise refused
        return url

    def permits(self, host: str, address: str) -> bool:
        """Whether this address, to which a host name resolves, may be reached."""
        return self._reachable(ipaddress.ip_address(address), named=self._named(host))

    def _named(self, host: str) -> bool:
        return any(fnmatch.fnmatchcase(host.lower(), name) for name in self._names)

    def _reachable(self, address: Address, *, named: bool) -> bool:
        if named or any(address in network for network in self._networks):
            return True
        return _public(address) and not self._names and not self._networks


def _public(address: Address) -> bool:
    """Whether everybody may know the address: also the one that a tunnel's address holds."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if inner:
            return _public(inner)
    return address.is_global and not address.is_multicast


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
