"""Where a verb does its work: in the hub that serves the workspace, or, when there is none, on its own.

This is the only place that chooses.  A verb asks for a `Desk` (or for a `Door`, when it talks to graphs)
and cannot tell which one it was given.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from runtime.errors import WorkspaceLocked
from runtime.lock import acquire, holder

if TYPE_CHECKING:
    from pathlib import Path

    from hub.cli.program import Target
    from runtime.records import KeyLimits
    from runtime.settings import Settings

Task: TypeAlias = Literal["eval", "tune"]
"""What `hubbub search` does with labelled queries."""

STARTING = 5.0
"""Seconds a verb waits for an owner that has the lock and has not said yet where it listens.

One that stops has the seconds of `[hub] drain` more.
"""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a hub listens, and the token that opens it."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"}


class Desk(Protocol):
    """What the verbs that change a workspace ask for."""

    def index(self, paths: Sequence[Path], collection: str) -> AsyncIterator[Mapping[str, Any]]:
        """Index files and folders; yields each `IndexProgress` as a mapping, the last with `totals`."""

    def measure(
        self, task: Task, queries: Path, qrels: Path, collection: str, rerank: int = 0
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Measure or tune search on labelled queries; yields each `Measured`, the last with the report."""

    async def new_key(self, name: str, tenant: str, limits: KeyLimits) -> Mapping[str, Any]:
        """Make an API key; its text (`key`) is in the answer and kept nowhere."""

    async def revoke_key(self, id: str) -> None:
        """Revoke an API key; NotFound when there is none with this id."""

    async def rebuild_views(self) -> Mapping[str, Any]:
        """Fold the whole log into the views anew; returns how many rows each has."""

    async def fit(self, tenant: str) -> Mapping[str, Any]:
        """Fit a tenant's recommendations; returns what was tried and what won, NotFound without events."""

    async def publish(self, graph: str, percent: int) -> Mapping[str, Any]:
        """Publish what is written of a graph, for a share of the threads; see `hub.publishing`."""

    async def rollback(self, graph: str) -> Mapping[str, Any]:
        """End a canary, or go back to the version that was live earlier; see `hub.publishing`."""


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Give the running hub's desk, or own the workspace until the block ends."""
    if door := find_hub(settings):
        from hub.cli.remote import open_remote

        async with open_remote(door) as remote:
            yield remote
    else:
        from hub.cli.local import Local

        lock = acquire(settings.var)
        try:
            yield Local(settings)
        finally:
            lock.release()


@contextmanager
def open_door(target: Target) -> Iterator[Door]:
    """Give the running hub's door, or keep a hub of our own on a free loopback port until the block ends."""
    if door := find_hub(target.settings()):
        yield door
    else:
        from hub.cli.companion import companion

        with companion(target) as door:
            yield door


def find_hub(settings: Settings) -> Door | None:
    """Return the door of the hub that serves the workspace, None when nobody owns it.

    WorkspaceLocked when the owner is no hub: another verb is at work.
    """
    since = time.monotonic()
    while owner := holder(settings.var):
        if owner.url:
            return Door(owner.url, owner.token)
        if time.monotonic() - since > (settings.hub.drain if owner.leaving else 0) + STARTING:
            raise WorkspaceLocked(
                f"The workspace {settings.workspace} is in use by process {owner.pid}, which does not serve; "
                "wait until it is done, then try again."
            )
        time.sleep(0.05)
    return None
