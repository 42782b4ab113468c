"""`hubbub graph`: check the graph files, try them, draw one, publish one."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.output import print_json, say
from hub.cli.program import Target
from hub.cli.publish import diff, publish, rollback

if TYPE_CHECKING:
    from runtime.graphs.library import GraphLibrary


@click.group("graph")
def command() -> None:
    """Look at the graphs, try them, publish them."""


@command.command("check")
@click.argument("files", metavar="[FILE…]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check(target: Target, files: tuple[Path, ...], as_json: bool) -> int:
    """Find every mistake in the graph files, with its place and a remedy; without FILE in all of them.

    Exits with 1 when there is an error.
    """
    library = open_library(target)
    findings = sorted(library.check(files) if files else library.findings())
    if as_json:
        print_json([{**asdict(finding), "severity": finding.severity} for finding in findings])
    else:
        for finding in findings:
            place = f"{finding.file}:{finding.line}:{finding.col}"
            click.echo(f"{place}: {finding.severity} {finding.code}: {finding.message}")
            if finding.help:
                click.echo(f"  help: {finding.help}")
        if not findings:
            checked = [file.name for file in files] or library.names()
            say(f"No mistakes in {', '.join(checked)}." if checked else "There are no graphs in graphs/.")
    return 1 if any(finding.severity == "error" for finding in findings) else 0


@command.command("show")
@click.argument("name")
@click.option("--mermaid", "look", flag_value="mermaid", help="As a Mermaid flowchart, for documents.")
@click.option("--svg", "look", flag_value="svg", help="As an SVG picture, for browsers and documents.")
@click.option(
    "--md", "look", flag_value="md", help="As a page of Markdown: its steps in a table, and a flowchart."
)
@click.pass_obj
def show(target: Target, name: str, look: str | None) -> None:
    """Draw the graph NAME: its steps, and where each one goes on which condition."""
    from runtime.errors import InvalidInput
    from runtime.graphs.draw import as_markdown, as_mermaid, as_text, drawing_as_mermaid, drawing_as_text
    from runtime.graphs.svg import as_svg
    from runtime.graphs.text_version import GraphVersion

    version = open_library(target).get(name)
    if isinstance(version, GraphVersion):
        looks = {"mermaid": as_mermaid, "svg": as_svg, "md": as_markdown}
        click.echo(looks.get(look or "", as_text)(version.spec))
    elif look in (None, "mermaid"):
        drawn = version.drawn(xray=True)
        click.echo(drawing_as_mermaid(drawn) if look else drawing_as_text(name, drawn))
    else:
        raise InvalidInput(f"The graph {name} is written in Python; draw it as text or with --mermaid.")


@command.command("test")
@click.argument("names", metavar="[NAME…]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def test(target: Target, names: tuple[str, ...], as_json: bool) -> int:
    """Run the tests of the graphs, their tables [[test]]; without NAME those of all graphs.

    Nothing outside is called, and nothing is stored.  Exits with 1 when a test fails.
    """
    from hub.cli.rehearsals import report_object, run_tests, show_report

    reports = run_tests(open_library(target), names)
    if as_json:
        print_json([report_object(report) for report in reports])
    else:
        for report in reports:
            show_report(report)
        if not reports:
            say("There are no graphs with tests; add a table [[test]] to one.")
    return 0 if all(report.passed for report in reports) else 1


@command.command("schema")
@click.pass_obj
def schema(target: Target) -> None:
    """Print the JSON Schema of the graph files, for editors: made from the plugins that are loaded."""
    from runtime.extensions.mcp_servers import load_all
    from runtime.graphs.editor_schema import editor_schema

    settings = target.settings()
    library = open_library(target)
    print_json(editor_schema(load_all(settings), settings.models, library.names()))


command.add_command(publish)
command.add_command(rollback)
command.add_command(diff)


def open_library(target: Target) -> GraphLibrary:
    """Read the graphs of a workspace, those of its plugins too."""
    from runtime.extensions.mcp_servers import load_all
    from runtime.graphs.library import GraphLibrary
    from runtime.graphs.opening import add_python_graphs

    settings = target.settings()
    catalog = load_all(settings)
    library = GraphLibrary(settings, lambda: catalog)
    asyncio.run(add_python_graphs(library, catalog, settings))
    return library
