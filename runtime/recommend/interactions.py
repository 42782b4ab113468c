"""What users did with items: taken in for good before the answer, and lent to plugins."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.journal.interactions import JournalInteractions
from runtime.recommend.requests import check_user, read_events, read_items
from runtime.types import CatalogueItem, Interaction

_MOST = 5000
"""Rows that a plugin gets at once."""


class AllInteractions:
    """Every method takes the tenant first; another tenant's users and items look like none at all."""

    def __init__(
        self, journal: JournalInteractions, var: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._journal, self._var, self._clock = journal, var, clock

    async def record(self, tenant: str, rows: Sequence[Any]) -> int:
        """Take in events, all or none; returns how many when they are on disk.

        An event that was sent before counts once.  InvalidInput names the first row that is none.
        """
        events = read_events(rows, self._clock())
        await self._journal.record(tenant, events)
        return len(events)

    async def put_items(self, tenant: str, rows: Sequence[Any]) -> int:
        """Take in items, all or none, each in the place of an older one with its id; returns how many."""
        items = read_items(rows)
        await self._journal.put_items(tenant, items)
        return len(items)

    async def forget(self, tenant: str, user: str) -> int:
        """Delete everything that is known of a user; returns how many events that were."""
        return await self._journal.forget(tenant, check_user(user))

    def of(self, tenant: str) -> TenantInteractions:
        """Return a tenant's, as plugins read them."""
        return TenantInteractions(self._journal, tenant, models_file(self._var, tenant))


@dataclass(frozen=True, slots=True)
class TenantInteractions:
    """`ports.Interactions` of one tenant."""

    journal: JournalInteractions
    tenant: str
    file: Path

    async def history(self, user: str, limit: int = 200) -> Sequence[Interaction]:
        """Return what a user did last, the newest first."""
        return await self.journal.history(self.tenant, user, _bounded(limit))

    async def items(self, ids: Sequence[str]) -> Sequence[CatalogueItem]:
        """Return the items with these ids, in their order."""
        return await self.journal.items(self.tenant, ids)

    async def newest(self, limit: int = 200) -> Sequence[str]:
        """Return the ids of the items that came into the catalogue last, the newest first."""
        return await self.journal.newest(self.tenant, _bounded(limit))

    async def popular(self, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Return the items that most users turned to of late."""
        return await self.journal.popular(self.tenant, _bounded(limit))

    async def fitted(self) -> str | None:
        """Return the file of the tenant's models; None before they were fitted."""
        return str(self.file) if self.file.exists() else None


def models_file(var: Path, tenant: str) -> Path:
    """Return where a tenant's models are, once they were fitted."""
    # Names of tenants may hold what no name of a file may.
    return var / "recommend" / f"{hashlib.sha256(tenant.encode()).hexdigest()[:32]}.npz"


def _bounded(limit: int) -> int:
    return max(0, min(limit, _MOST))
