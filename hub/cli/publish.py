"""`hubbub graph publish`, `rollback` and `diff`: which version new runs get, and what that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, program, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.records import GraphText
    from runtime.settings import Settings

_NAMED = 5
"""Waiting runs that are named; the others are counted."""


@click.command("publish")
@click.argument("name")
@click.option(
    "--percent", default=100, type=click.IntRange(1, 100), help="Begin with so many of a hundred threads."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def publish(target: Target, name: str, percent: int, as_json: bool) -> int:
    """Check and test the file of the graph NAME, say what it changes, and let new runs get it.

    Exits with 1, and publishes nothing, when it has a mistake or a test fails.
    """
    from hub.cli.workspace import open_desk

    async def ask() -> Mapping[str, Any]:
        async with open_desk(target.settings()) as desk:
            return await desk.publish(name, percent)

    done = asyncio.run(ask())
    if as_json:
        print_json(done)
    else:
        _tell(done)
    return 1 if done["refused"] else 0


@click.command("rollback")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def rollback(target: Target, name: str, as_json: bool) -> None:
    """End a canary of the graph NAME, or else let new runs get its earlier version, until the next save."""
    from hub.cli.workspace import open_desk

    async def ask() -> Mapping[str, Any]:
        async with open_desk(target.settings()) as desk:
            return await desk.rollback(name)

    done = asyncio.run(ask())
    if as_json:
        print_json(done)
        return
    _tell_changes(done["changes"], f"{name} goes back from version {done['before']}:")
    click.echo(f"New runs of {name} get version {done['version']}.")
    _tell_waiting(done["waiting"])


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def diff(target: Target, before: str, after: str | None, as_json: bool) -> None:
    """Say what changed in meaning from A to B: two files, or versions of a graph.

    NAME is its file, NAME@live what new runs get, NAME@VERSION one that was; A alone is compared with
    the file, NAME from what is live.
    """
    from hub.publishing import changes_object

    name = before.partition("@")[0]
    first = before if after or "@" in before else f"{name}@live"
    changes, waiting = asyncio.run(_compare(target.settings(), first, after or name))
    if as_json:
        print_json({"changes": changes_object(changes), "waiting": waiting})
        return
    _tell_changes(changes_object(changes), "")
    if not changes:
        say("Nothing has changed in meaning.")
    _tell_waiting(waiting)


# --------------------------------------------------------------------------- comparing


async def _compare(settings: Settings, before: str, after: str) -> tuple[Sequence[Any], list[dict[str, Any]]]:
    from hub.cli.reading import reading
    from hub.publishing import waiting_runs
    from runtime.graphs.diff import differences
    from runtime.journal.graphs import JournalGraphs
    from runtime.toml import parse_toml

    async with reading(settings) as journal:
        kept = JournalGraphs(journal) if journal else None
        old, new = [await _text(settings, kept, each) for each in (before, after)]
        name = new.graph
        changes = differences(
            parse_toml(old.text.encode(), before).data, parse_toml(new.text.encode(), after).data
        )
        waiting = await waiting_runs(journal, name, new.version) if journal else []
        return changes, waiting if kept and name == old.graph else []


async def _text(settings: Settings, kept: Any, named: str) -> GraphText:
    """Return the text of a file or of a version; NotFound, or GraphError when the file has mistakes."""
    from runtime.errors import NotFound

    name, at, version = named.partition("@")
    if not at:
        return _file(settings, named)
    texts = await kept.texts(name) if kept else []
    if version in ("live", "canary"):
        published = {each.graph: each for each in await kept.publications()} if kept else {}
        version = getattr(published[name], version) if name in published else ""
    found: list[GraphText] = [each for each in texts if version and each.version.startswith(version)]
    if not found:
        known = ", ".join(each.version for each in texts[:_NAMED]) or "none"
        raise NotFound(f"There is no version {named}; there is {known}.")
    return found[0]


def _file(settings: Settings, named: str) -> GraphText:
    from runtime.errors import GraphError, NotFound
    from runtime.extensions.mcp_servers import load_all
    from runtime.graphs.library import SUFFIX, GraphLibrary
    from runtime.records import GraphText

    path = Path(named) if named.endswith(SUFFIX) else settings.workspace / "graphs" / f"{named}{SUFFIX}"
    if not path.is_file():
        raise NotFound(f"There is no file {path}; name a file, a graph, or NAME@VERSION.")
    catalog = load_all(settings)
    draft = GraphLibrary(settings, lambda: catalog).read(path.resolve())
    if draft.version is None:
        raise GraphError(f"{draft.findings[0]}; mend that first (`hubbub graph check`).")
    return GraphText(draft.version.name, draft.version.version, draft.text)


# --------------------------------------------------------------------------- for people


def _tell(done: Mapping[str, Any]) -> None:
    name, before = done["graph"], done["before"]
    for found in done["findings"]:
        place = f"{found['file']}:{found['line']}:{found['col']}"
        click.echo(f"{place}: {found['severity']} {found['code']}: {found['message']}")
        if found["help"]:
            click.echo(f"  help: {found['help']}")
    if tests := done["tests"]:
        _tell_tests(tests)
    if done["refused"]:
        meanwhile = f"version {before} goes on" if before else f"{name} has no version yet"
        click.echo(f"Not published; {meanwhile}.")
        return
    if not done["version"]:
        click.echo(f"{name} is withdrawn: its file is gone. Runs that have begun go on.")
        return
    _tell_changes(done["changes"], f"Changes from version {before}:")
    if done["canary"]:
        others = f"the others version {done['version']}"
        click.echo(f"{done['percent']} % of the threads get version {done['canary']} of {name}, {others}.")
    elif done["version"] == before:
        click.echo(f"New runs of {name} get version {before} already.")
        return
    else:
        click.echo(f"New runs of {name} get version {done['version']}.")
    _tell_waiting(done["waiting"])
    if before:
        click.echo(f"To undo this: {program()} graph rollback {name}")


def _tell_tests(tests: Mapping[str, Any]) -> None:
    for name, reasons in tests["failed"].items():
        click.echo(f"FAIL  {name}")
        for reason in reasons:
            click.echo(f"      {reason}")
    if tests["passed"] or tests["failed"]:
        ways, failed = tests["ways"], len(tests["failed"])
        tried = f"{ways - tests['untried']} of {ways} ways tried"
        click.echo(f"{tests['passed']} tests pass, {failed} fail; {tried}.")


def _tell_changes(changes: Sequence[Mapping[str, Any]], title: str) -> None:
    if changes and title:
        click.echo(title)
    for change in changes:
        click.echo(f"  {change['said']}" if title else change["said"])
        for line in change["lines"]:
            click.echo(f"    {line}")


def _tell_waiting(waiting: Sequence[Mapping[str, Any]]) -> None:
    if not waiting:
        return
    named = ", ".join(f"{each['run']} (thread {each['thread']})" for each in waiting[:_NAMED])
    more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
    click.echo(f"These runs wait for people and end on the version they began with: {named}{more}.")
