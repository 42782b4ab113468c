"""What is said before a version is published: its mistakes, its tests, and what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import Conflict
from runtime.graphs.diff import Change, differences
from runtime.graphs.findings import Finding
from runtime.graphs.rehearse import Report, try_out
from runtime.graphs.text_version import GraphVersion
from runtime.records import GraphText, Publication
from runtime.toml import parse_toml


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing or rolling back did, and why it did nothing: `refused` for mistakes or failed tests.

    `version` is what new runs get now (but for `percent` of the threads, which get `canary`), `before`
    what they got; "" for none.
    """

    graph: str
    before: str = ""
    version: str = ""
    canary: str = ""
    percent: int = 0
    refused: bool = False
    findings: tuple[Finding, ...] = ()
    report: Report | None = None
    changes: Sequence[Change] = ()


async def judged(outcome: Outcome, version: GraphVersion, live: GraphText | None) -> Outcome:
    """Return an outcome with the tests of a version, and what it changes of the one that is live."""
    report = await try_out(version.spec)
    changes = await changes_to(version, live) if live else ()
    return Outcome(
        outcome.graph,
        outcome.before,
        outcome.version,
        refused=not report.passed,
        findings=outcome.findings,
        report=report,
        changes=changes,
    )


async def changes_to(version: GraphVersion, live: GraphText) -> list[Change]:
    """Return what a version changes of a text, the graphs inside included."""
    before = parse_toml(live.text.encode(), live.graph).data
    changed = await asyncio.to_thread(differences, before, version.spec.document.data)
    inside = [
        Change("changed", f"the graph {graph} inside", old, version.inside[graph].version)
        for graph, old in live.inside.items()
        if graph in version.inside and version.inside[graph].version != old
    ]
    return [*changed, *inside]


def check_share(name: str, before: Publication | None, percent: int, *, by_hand: bool) -> None:
    """Refuse to publish for a share of the threads where that cannot be; Conflict."""
    if percent == 100:
        return
    if not by_hand:
        raise Conflict(
            'What is saved is live for all threads; set [graphs] publish = "by-hand" to begin with a share.'
        )
    if before is None:
        raise Conflict(
            f"No version of the graph {name} is live that the other threads could get; publish it for all."
        )
