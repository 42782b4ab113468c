"""What saving, publishing and rolling back make of what is published; values in, values out."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from runtime.errors import Conflict
from runtime.records import Publication

_REMEMBERED = 50
"""How many earlier versions a rollback can lead back to, one after the other."""

_SHARES = 10_000
"""A thread has one of so many places; a canary takes the first ones."""


def digest(text: str) -> str:
    """Return the hash of a text that is held back."""
    return hashlib.sha256(text.encode()).hexdigest()


def published(before: Publication | None, graph: str, version: str, at: float) -> Publication:
    """Return a publication in which a version is live for everybody."""
    if before is None:
        return Publication(graph, version, at=at)
    if before.live == version:
        return replace(before, canary="", percent=0, held="")
    earlier = (*(each for each in before.before if each != version), before.live)[-_REMEMBERED:]
    return Publication(graph, version, before=earlier, at=at)


def started(before: Publication, version: str, percent: int) -> Publication:
    """Return a publication in which a share of the threads gets a version."""
    return replace(before, canary=version, percent=percent)


def rolled_back(before: Publication, text: str) -> Publication:
    """Return a publication without its canary, or else with the version that was live earlier.

    `text` is what the file says now: it is held back until the file says something else.  Conflict
    when there is nothing to go back to.
    """
    if before.canary:
        return replace(before, canary="", percent=0)
    if not before.before:
        raise Conflict(
            f"There is no earlier version of the graph {before.graph} to go back to; edit its file."
        )
    *earlier, live = before.before
    return replace(before, live=live, before=tuple(earlier), held=digest(text))


def version_for(publication: Publication, thread: str) -> str:
    """Return the version that a new run on a thread gets: always the same, also while the share grows."""
    if not publication.canary:
        return publication.live
    name = f"{publication.graph}:{publication.canary}:{thread}".encode()
    place = int.from_bytes(hashlib.sha256(name).digest()[:8]) % _SHARES
    return publication.canary if place < publication.percent * _SHARES // 100 else publication.live
