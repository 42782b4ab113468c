"""What publishing, rolling back and comparing graphs say to programs: one shape, with a hub and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.graphs.diff import Change
    from runtime.graphs.publishing import Outcome
    from runtime.graphs.rehearse import Report
    from runtime.storage import Journal

_MOST = 10_000
"""Waiting runs that are looked through."""


def outcome_object(outcome: Outcome, waiting: Sequence[JsonObject]) -> JsonObject:
    """Return what became of a publication; `waiting` are the runs that end on another version."""
    return {
        **{name: getattr(outcome, name) for name in ("graph", "before", "version", "canary", "percent")},
        "refused": outcome.refused,
        "findings": [{**asdict(each), "severity": each.severity} for each in outcome.findings],
        "tests": _tests(outcome.report) if outcome.report else None,
        "changes": changes_object(outcome.changes),
        "waiting": list(waiting),
    }


def changes_object(changes: Sequence[Change]) -> list[JsonObject]:
    """Return changes, each with its sentence."""
    return [{**asdict(change), "said": str(change)} for change in changes]


async def waiting_runs(journal: Journal, graph: str, *versions: str) -> list[JsonObject]:
    """Return the runs of a graph that wait for people and began with none of these versions."""
    found = await journal.runs(waiting=True, limit=_MOST)
    return [
        {"run": run.id, "thread": run.thread, "version": run.version}
        for run in found
        if run.graph == graph and run.version not in versions
    ]


def _tests(report: Report) -> JsonObject:
    failed = {each.case.name: list(each.failed) for each in report.verdicts if each.failed}
    return {
        "passed": len(report.verdicts) - len(failed),
        "failed": failed,
        "ways": len(report.ways),
        "untried": len(report.untried),
    }
