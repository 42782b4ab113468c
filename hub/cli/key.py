"""`hubbub key`: the bearer keys of `[auth] mode = "keys"`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.output import print_json, print_table, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.records import KeyLimits
    from runtime.settings import Settings

_COUNT = click.IntRange(min=0)


@click.group("key")
def command() -> None:
    """Make, list and revoke API keys."""


@command.command()
@click.argument("name")
@click.option("--tenant", default="default", show_default=True, help="Whose threads the key opens.")
@click.option("--requests", type=_COUNT, default=0, help="Requests to models that it may make a minute.")
@click.option("--tokens", type=_COUNT, default=0, help="Tokens of models that it may use a minute.")
@click.option(
    "--budget", type=click.FloatRange(min=0), default=0.0, help="US dollars it may spend on models."
)
@click.option(
    "--per", type=click.Choice(["day", "month"]), default="day", show_default=True, help="In which time."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def new(
    target: Target,
    name: str,
    tenant: str,
    requests: int,
    tokens: int,
    budget: float,
    per: Literal["day", "month"],
    as_json: bool,
) -> None:
    """Make a key for NAME and print it, this once: only its hash is kept.

    Without bounds of its own it may use what its tenant may.
    """
    from runtime.records import KeyLimits

    limits = KeyLimits(requests, tokens, budget, per)
    made = asyncio.run(_new(target.settings(), name, tenant, limits))
    if as_json:
        print_json(made)
    else:
        click.echo(made["key"])
        say(f"Key {made['id']} of tenant {made['tenant']}. It is not shown again.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def list_keys(target: Target, as_json: bool) -> None:
    """List the keys, never their text."""
    rows = asyncio.run(_list(target.settings()))
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            row["created"] = datetime.fromtimestamp(row["created_at"]).strftime("%Y-%m-%d %H:%M")
            row["limits"] = _bounds(**row["limits"])
        columns = ["id", "name", "tenant", "created", "limits", "revoked"]
        print_table(rows, columns, empty="There are no keys; `hubbub key new NAME` makes one.")


@command.command()
@click.argument("id")
@click.pass_obj
def revoke(target: Target, id: str) -> None:
    """Refuse the key with this ID from now on."""
    asyncio.run(_revoke(target.settings(), id))
    click.echo(f"The key {id} is revoked.")


@command.command()
@click.option("--tenant", default="default", show_default=True, help="Whose runs the calls are about.")
@click.pass_obj
def webhook(target: Target, tenant: str) -> None:
    """Print the key with which the webhooks of a tenant are signed; receivers verify them with it."""
    from hub.webhooks import shown, tenant_key, workspace_key

    click.echo(shown(tenant_key(workspace_key(target.settings().var), tenant)))


async def _new(settings: Settings, name: str, tenant: str, limits: KeyLimits) -> dict[str, Any]:
    from hub.cli.workspace import open_desk

    async with open_desk(settings) as desk:
        return dict(await desk.new_key(name, tenant, limits))


async def _list(settings: Settings) -> list[dict[str, Any]]:
    from hub.cli.reading import reading

    async with reading(settings) as journal:
        keys = await journal.keys() if journal else []
    columns = ("id", "name", "tenant", "created_at", "revoked")
    return [
        {**{column: getattr(key, column) for column in columns}, "limits": asdict(key.limits)} for key in keys
    ]


def _bounds(requests_per_minute: int, tokens_per_minute: int, budget_usd: float, budget_per: str) -> str:
    """Return what a key may use, in words."""
    found = [
        f"{requests_per_minute:,} requests/min" if requests_per_minute else "",
        f"{tokens_per_minute:,} tokens/min" if tokens_per_minute else "",
        f"${budget_usd:g}/{budget_per}" if budget_usd else "",
    ]
    return ", ".join(each for each in found if each)


async def _revoke(settings: Settings, id: str) -> None:
    from hub.cli.workspace import open_desk

    async with open_desk(settings) as desk:
        await desk.revoke_key(id)
