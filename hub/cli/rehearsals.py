"""How `hubbub graph test` runs the tests of graphs, and shows what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runtime.errors import InvalidInput
from runtime.graphs.cases import cases_of
from runtime.graphs.library import GraphVersion
from runtime.graphs.rehearse import Report, try_out

if TYPE_CHECKING:
    from runtime.graphs.decisions import Exit
    from runtime.graphs.library import GraphLibrary


def run_tests(library: GraphLibrary, names: Sequence[str]) -> list[Report]:
    """Run the tests of the named graphs, or of every graph that has some.

    NotFound or GraphError for a graph that cannot be run: its tests would say nothing.
    """
    asked = names or [*library.names(), *library.problems()]
    versions = [library.get(name) for name in dict.fromkeys(asked)]
    files = [version.spec for version in versions if isinstance(version, GraphVersion)]
    for version in versions:
        if names and not isinstance(version, GraphVersion):
            raise InvalidInput(f"The graph {version.name} is written in Python; test it with pytest.")
    return asyncio.run(_all([file for file in files if names or cases_of(file)]))


async def _all(files: Sequence[Any]) -> list[Report]:
    return [await try_out(file) for file in files]


def show_report(report: Report) -> None:
    """Print the tests of one graph, and the ways that no test took."""
    click.echo(report.file.name)
    for verdict in report.verdicts:
        click.echo(f"  {'FAIL' if verdict.failed else 'ok  '}  {verdict.case.name}")
        for reason in verdict.failed:
            click.echo(f"          {reason}")
        if verdict.failed:
            click.echo(f"          {report.file.document.file}:{verdict.case.line}")
    if not report.verdicts:
        click.echo("  no tests; add a table [[test]] to the file")
    if report.ways:
        click.echo(f"  {len(report.ways) - len(report.untried)} of {len(report.ways)} ways tried")
    for way in report.untried:
        click.echo(f"        not {_way(way)}")


def report_object(report: Report) -> dict[str, Any]:
    """Return the tests of one graph for programs."""
    return {
        "graph": report.file.name,
        "file": report.file.document.file,
        "passed": report.passed,
        "tests": [
            {
                "name": verdict.case.name,
                "line": verdict.case.line,
                "passed": not verdict.failed,
                "failed": list(verdict.failed),
                "error": verdict.rehearsed.error or None,
                "steps": list(verdict.rehearsed.steps),
                "decisions": [
                    {"step": one.step, "go": one.go, "why": one.why} for one in verdict.rehearsed.decisions
                ],
                "seconds": round(verdict.seconds, 6),
            }
            for verdict in report.verdicts
        ],
        "ways": len(report.ways),
        "untried": [{"step": way.step, "label": way.label, "go": way.go} for way in report.untried],
    }


def _way(way: Exit) -> str:
    return f"{way.step}: {way.label} -> {way.go}"
