"""`hubbub threads`: the conversations of a workspace, for whoever looks after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import moment, print_json, print_table
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.settings import Settings


@click.command("threads")
@click.option("--tenant", help="Of this tenant alone.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(target: Target, tenant: str | None, limit: int, as_json: bool) -> None:
    """List threads, the latest changed first, with their newest run."""
    rows = asyncio.run(_rows(target.settings(), tenant, limit))
    if as_json:
        print_json(rows)
        return
    shown = [{**row, "changed": moment(row["updated_at"])} for row in rows]
    columns = ["thread", "tenant", "changed", "runs", "graph", "status"]
    print_table(shown, columns, empty="There are no threads; `hubbub chat GRAPH` begins one.")


async def _rows(settings: Settings, tenant: str | None, limit: int) -> list[dict[str, Any]]:
    from hub.cli.reading import reading
    from runtime.journal.views import JournalViews

    async with reading(settings) as journal:
        return await JournalViews(journal).threads(tenant, limit) if journal else []
