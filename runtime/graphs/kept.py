"""The versions of graph files that were kept, made again from their texts when somebody needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runtime.errors import GraphError
from runtime.graphs.library import GraphLibrary, version_in
from runtime.graphs.text_version import GraphVersion
from runtime.records import GraphText, Publication
from runtime.storage import GraphVersions

_MOST = 256
"""Versions that stay in memory beside those that new runs get."""


class KeptVersions:
    """Whoever calls this has the lock of the graphs that are served, but for `held`."""

    def __init__(self, library: GraphLibrary, store: GraphVersions) -> None:
        self._library, self._store = library, store
        self._versions: dict[tuple[str, str], GraphVersion] = {}

    def held(self, name: str, version: str) -> GraphVersion | None:
        """Return a version that is in memory, or None."""
        if found := self._versions.pop((name, version), None):
            self._versions[name, version] = found  # the last to be forgotten
        return found

    def hold(self, version: GraphVersion) -> None:
        """Keep a version in memory for a while; one that is there, and may have been compiled, stays."""
        key = version.name, version.version
        self._versions[key] = self._versions.pop(key, version)
        while len(self._versions) > _MOST:
            del self._versions[next(iter(self._versions))]

    def forget(self) -> None:
        """Make every version again when it is needed next: plugins have changed."""
        self._versions.clear()

    async def restored(self, name: str, version: str) -> GraphVersion | None:
        """Return a version from its text, with the plugins there are now; None when nobody kept it.

        It is another version when a plugin declares other parameters now; GraphError when it has mistakes.
        """
        if found := self.held(name, version):
            return found
        kept = await self._store.text(name, version)
        if kept is None:
            return None
        inside = {}
        for graph, each in kept.inside.items():
            inside[graph] = await self.published(graph, each)
        draft = await asyncio.to_thread(self._library.kept, name, kept.text, inside)
        restored = version_in(name, draft)
        self.hold(restored)
        return restored

    async def published(self, name: str, version: str) -> GraphVersion:
        """Return a version that must be there; GraphError when it cannot be run."""
        if (found := await self.restored(name, version)) is None:
            raise GraphError(f"The version {version} of the graph {name} is not kept; publish it again.")
        return found

    async def text(self, name: str, version: str) -> GraphText | None:
        """Return the text of a version, or None."""
        return await self._store.text(name, version)

    async def publications(self) -> dict[str, Publication]:
        """Return what is published, by graph."""
        return {each.graph: each for each in await self._store.publications()}

    async def publish(self, publication: Publication, versions: Sequence[GraphVersion]) -> None:
        """Publish, and keep the texts that runs will need, in one commit."""
        await self._store.put([text for version in versions for text in _texts(version)], publication)
        for version in versions:
            self.hold(version)

    async def withdraw(self, name: str) -> None:
        """Publish nothing of a graph any more; what was kept of it stays."""
        await self._store.withdraw(name)


def _texts(version: GraphVersion) -> list[GraphText]:
    """Return the text of a version, and those of the graphs inside."""
    inside = {name: each.version for name, each in version.inside.items()}
    own = GraphText(version.name, version.version, version.spec.document.text, inside)
    return [own, *(text for each in version.inside.values() for text in _texts(each))]
