"""Graphs run with mocks: the tests of `hubbub graph test`, and `hubbub run --mock`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, say
from hub.cli.progress import Progress
from runtime.errors import CannotStart, InvalidInput
from runtime.graphs.cases import cases_of
from runtime.graphs.decisions import Decision
from runtime.graphs.rehearse import Report, rehearse, try_out
from runtime.graphs.text_version import GraphVersion
from runtime.toml import parse_toml

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.graphs.decisions import Exit
    from runtime.graphs.file import GraphFile
    from runtime.graphs.library import GraphLibrary


def run_tests(library: GraphLibrary, names: Sequence[str]) -> list[Report]:
    """Run the tests of the named graphs, or of every graph that has some.

    NotFound or GraphError for a graph that cannot be run: its tests would say nothing.
    """
    if names:
        return asyncio.run(_all([_text_graph(library, name).spec for name in dict.fromkeys(names)]))
    versions = [library.get(name) for name in [*library.names(), *library.problems()]]
    files = [version.spec for version in versions if isinstance(version, GraphVersion)]
    return asyncio.run(_all([file for file in files if cases_of(file)]))


async def _all(files: Sequence[GraphFile]) -> list[Report]:
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


# --------------------------------------------------------------------------- one run


def run_with_mocks(library: GraphLibrary, name: str, given: Mapping[str, Any], file: Path) -> int:
    """Run a graph once with the results in `file`; its steps go to stderr, its output to stdout."""
    version = _text_graph(library, name)
    mocks, progress = _mocks(file), Progress()
    waiting: list[Decision] = []

    def heard(happening: Decision | str) -> None:
        if isinstance(happening, Decision):
            waiting.append(happening)
        else:
            progress.step(happening, [{"go": one.go, "why": one.why} for one in waiting], {})
            waiting.clear()

    found = asyncio.run(rehearse(version.spec, dict(given), mocks, heard=heard))
    if found.error:
        say(f"error: {found.error}")
        return 1
    print_json(version.output_of(found.values))
    return 0


def _text_graph(library: GraphLibrary, name: str) -> GraphVersion:
    version = library.get(name)
    if not isinstance(version, GraphVersion):
        raise InvalidInput(f"The graph {name} is written in Python; test it with pytest.")
    return version


def _mocks(file: Path) -> Mapping[str, Any]:
    """Read STEP = RESULT; CannotStart says where the file is wrong."""
    try:
        source = file.read_bytes()
        found = json.loads(source) if file.suffix == ".json" else parse_toml(source, str(file)).data
    except OSError as error:
        raise CannotStart(
            f"{file} cannot be read ({error.strerror}); give --mock a file with STEP = RESULT."
        ) from error
    except ValueError as error:
        raise CannotStart(f"{file} is not JSON ({error}); mend it, or write TOML.") from error
    if not isinstance(found, dict):
        raise CannotStart(f'{file} must hold one object, for example {{"find": []}}.')
    return found
