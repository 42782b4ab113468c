"""`hubbub index`: make documents searchable, with a bar for people and one line at the end for everyone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from runtime.settings import Settings

_NAMES = {"reading": "reading", "vectors": "passages to vectors", "sentences": "sentences to vectors"}
_MODES = {"hybrid": "meaning and keyword", "keyword": "keyword"}
_SHOWN = 20


@click.command("index")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--collection", default="docs", show_default=True, help="Where graphs will look for them.")
@click.option("--json", "as_json", is_flag=True, help="Print the totals for programs.")
@click.pass_obj
def command(target: Target, paths: tuple[Path, ...], collection: str, as_json: bool) -> None:
    """Index documents: Markdown, text, HTML, PDF, DOCX, CSV, JSON Lines, and folders of them.

    Only what changed since the last time is read; what is no longer there leaves the collection.
    """
    from runtime.errors import NotFound

    for path in paths:
        if not path.exists():
            raise NotFound(f"There is no file or folder {path}; name one that exists.")
    try:
        totals = asyncio.run(index(target.settings(), list(paths), collection))
    except KeyboardInterrupt:
        say("Stopped; run it again, and it goes on where it was.")
        raise
    if as_json:
        print_json({"collection": collection, **totals})
    else:
        report(totals, collection)


async def index(settings: Settings, paths: list[Path], collection: str) -> Mapping[str, Any]:
    """Index with a progress bar on stderr; returns the `IndexTotals` as a mapping."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from hub.cli.workspace import open_desk

    totals: Mapping[str, Any] = {}
    columns = TextColumn("{task.description:<21}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(
        *columns, console=Console(stderr=True), disable=not Console(stderr=True).is_terminal
    ) as bars:
        tasks: dict[str, TaskID] = {}
        async with open_desk(settings) as desk:
            async for progress in desk.index([path.resolve() for path in paths], collection):
                if progress["phase"] == "done":
                    totals = progress["totals"]
                else:
                    _advance(bars, tasks, progress)
    return totals


def report(totals: Mapping[str, Any], collection: str) -> None:
    """Say in one line what came of it, and name what could not be read."""
    click.echo(
        f"{collection}: {totals['documents']} read, {totals['skipped']} unchanged, {totals['removed']} gone, "
        f"{totals['passages']} new passages, {totals['seconds']:.1f} s; search by {_MODES[totals['mode']]}"
    )
    failed = totals["failed"]
    for path, sentence in failed[:_SHOWN]:
        say(f"skipped {path}: {sentence}")
    if len(failed) > _SHOWN:
        say(f"… and {len(failed) - _SHOWN} more; --json lists them all")
    if totals["mode"] == "keyword":
        say("There is no embedding model, so search is by keyword alone; `hubbub models pull` fetches one.")


def _advance(bars: Progress, tasks: dict[str, TaskID], progress: Mapping[str, Any]) -> None:
    phase = progress["phase"]
    if phase not in tasks:
        tasks[phase] = bars.add_task(_NAMES.get(phase, phase))
    bars.update(tasks[phase], completed=progress["done"], total=progress["total"])
