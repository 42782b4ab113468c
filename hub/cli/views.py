"""`hubbub views`: the tables that lists and sums are read from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, print_table
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.settings import Settings


@click.group("views")
def command() -> None:
    """Look after the views: threads, runs and usage, folded from the log."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def rebuild(target: Target, as_json: bool) -> None:
    """Empty the views and fold the whole log again.

    They are in step with the log at any time; this is for a view that was damaged, or whose meaning
    has changed with a new version.  A hub that serves goes on serving.
    """
    counts = asyncio.run(_rebuild(target.settings()))
    if as_json:
        print_json(counts)
    else:
        print_table([counts], list(counts), empty="")


async def _rebuild(settings: Settings) -> dict[str, Any]:
    from hub.cli.workspace import open_desk

    async with open_desk(settings) as desk:
        return dict(await desk.rebuild_views())
