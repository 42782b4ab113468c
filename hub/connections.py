"""The open connections of the protocol: what they may cost, and how they are told that the hub stops."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from hub.session import Bounds
from runtime.errors import Overloaded
from runtime.settings import HubLimits, Settings
from runtime.types import JsonObject

_SOON, _SPREAD = 250, 20
"""Clients come back after so many milliseconds at the earliest, spread by so many for each of them."""
_LATEST = 10_000

SEND_BUFFER = 256 * 1024
"""Bytes that the kernel holds for a client: what is in there can no longer be skipped."""

_PATIENT = 5.0
"""Seconds after which a tenant with too many connections may try again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection is waited for, in seconds.

    Live events are skipped for a reader that is `late`, one that takes nothing for `stuck` is cut off.
    """

    late: float = 5.0
    stuck: float = 10.0
    heartbeat: float = 25.0
    auth: float = 5.0
    closing: float = 2.0


class Connection(Protocol):
    """One open connection."""

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell the client to move."""

    def tell(self, channel: str, data: JsonObject) -> None:
        """Tell the client what concerns no thread, if it has asked for that."""

    async def aclose(self) -> None:
        """Send what is ready, then close."""


class Connections:
    """All of them, with their bounds."""

    def __init__(self, settings: Settings, patience: Patience) -> None:
        self.limits: HubLimits = settings.hub.limits
        self.patience = patience
        self._settings = settings
        self._open: dict[Connection, str] = {}
        self._tenants: Counter[str] = Counter()

    @property
    def bounds(self) -> Bounds:
        """What a new connection may cost."""
        limits = self.limits
        return Bounds(
            subscriptions=limits.subscriptions,
            commands_per_second=limits.commands_per_second,
            behind=limits.behind,
            late=self.patience.late,
        )

    def add(self, connection: Connection, tenant: str) -> None:
        """Count one in, or over to the tenant that it turns out to be of; Overloaded when that has too many.

        The tenant of those who have not said yet who they are is "".
        """
        most = self._settings.tenant(tenant).limits.connections
        if self._tenants[tenant] >= most:
            raise Overloaded(
                f"The tenant has {most} open connections ([tenants.default] limits.connections); "
                "close one first.",
                retry_after=_PATIENT,
            )
        self.discard(connection)
        self._open[connection] = tenant
        self._tenants[tenant] += 1

    def discard(self, connection: Connection) -> None:
        """Count one out."""
        if (tenant := self._open.pop(connection, None)) is not None:
            self._tenants[tenant] -= 1
            if not self._tenants[tenant]:
                del self._tenants[tenant]

    def drain(self) -> None:
        """Tell all clients to move, not all at the same moment."""
        latest = min(_LATEST, _SOON + _SPREAD * len(self._open))
        for connection in self._open:
            connection.drain(random.randint(_SOON, latest + _SOON))  # noqa: S311 - spreads load, hides nothing

    def tell(self, channel: str, data: JsonObject) -> None:
        """Tell all clients that have subscribed to a channel what concerns no thread."""
        for connection in self._open:
            connection.tell(channel, data)

    async def aclose(self) -> None:
        """Close all."""
        await asyncio.gather(*(each.aclose() for each in list(self._open)), return_exceptions=True)


CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)
