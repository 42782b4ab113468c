"""`hubbub usage`: what models were asked and what it cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, print_table
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.records import UsageQuery
    from runtime.settings import Settings


@click.command("usage")
@click.option("--group", default="day,model", show_default=True, help="By day, tenant, graph and model.")
@click.option("--from", "first", metavar="DAY", help="The first day, like 2025-01-31 (UTC).")
@click.option("--to", "last", metavar="DAY", help="The last day.")
@click.option("--tenant", help="Of this tenant alone.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(
    target: Target, group: str, first: str | None, last: str | None, tenant: str | None, as_json: bool
) -> None:
    """Sum up the calls of models: how many, how many broke off, their tokens, time and cost."""
    from hub.usage import usage_query

    query = usage_query(group, first, last, tenant)
    rows = asyncio.run(_rows(target.settings(), query))
    if as_json:
        print_json(rows)
        return
    columns = [*query.group, "calls", "failed", "tokens in", "tokens out", "seconds", "USD"]
    print_table([_row(row) for row in rows], columns, empty="No model was asked.")


async def _rows(settings: Settings, query: UsageQuery) -> list[dict[str, Any]]:
    from hub.cli.reading import reading
    from runtime.journal.views import JournalViews

    async with reading(settings) as journal:
        return await JournalViews(journal).usage(query) if journal else []


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Name the figures for people; a "+" says that the cost of some calls is not known."""
    return {
        **row,
        "tokens in": row["input_tokens"],
        "tokens out": row["output_tokens"],
        "seconds": f"{row['seconds']:.1f}",
        "USD": f"{row['cost_usd']:.4f}{'+' if row['unpriced'] else ''}",
    }
