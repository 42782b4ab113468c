"""`hubbub runs`: what ran, how long it took and how it ended, for whoever looks after a workspace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import moment, print_json, print_table
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.records import RunsQuery
    from runtime.settings import Settings


@click.command("runs")
@click.option("--thread", help="On this thread alone.")
@click.option("--graph", help="Of this graph alone.")
@click.option("--status", help="In this state alone, such as error or interrupted.")
@click.option("--tenant", help="Of this tenant alone.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(target: Target, /, as_json: bool, **wanted: Any) -> None:
    """List runs, the latest accepted first."""
    from runtime.records import RunsQuery

    rows = asyncio.run(_rows(target.settings(), RunsQuery(**wanted)))
    if as_json:
        print_json(rows)
    else:
        columns = ["run", "thread", "tenant", "graph", "version", "accepted", "took", "status", "error"]
        print_table([_row(row) for row in rows], columns, empty="There are no such runs.")


async def _rows(settings: Settings, query: RunsQuery) -> list[dict[str, Any]]:
    from hub.cli.reading import reading
    from runtime.journal.views import JournalViews

    async with reading(settings) as journal:
        return await JournalViews(journal).runs(query) if journal else []


def _row(row: dict[str, Any]) -> dict[str, Any]:
    took = f"{(row['ended_at'] - row['accepted_at']) / 1000:.1f} s" if row["ended_at"] else ""
    version = f"{row['version']} (canary)" if row["canary"] else row["version"]
    return {**row, "version": version, "accepted": moment(row["accepted_at"]), "took": took}
