"""`hubbub key`: the bearer keys of `[auth] mode = "keys"`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, print_table, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.settings import Settings


@click.group("key")
def command() -> None:
    """Make, list and revoke API keys."""


@command.command()
@click.argument("name")
@click.option("--tenant", default="default", show_default=True, help="Whose threads the key opens.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def new(target: Target, name: str, tenant: str, as_json: bool) -> None:
    """Make a key for NAME and print it, this once: only its hash is kept."""
    made = asyncio.run(_new(target.settings(), name, tenant))
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
        columns = ["id", "name", "tenant", "created", "revoked"]
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


async def _new(settings: Settings, name: str, tenant: str) -> dict[str, Any]:
    from hub.cli.workspace import open_desk

    async with open_desk(settings) as desk:
        return dict(await desk.new_key(name, tenant))


async def _list(settings: Settings) -> list[dict[str, Any]]:
    from hub.cli.reading import reading

    async with reading(settings) as journal:
        keys = await journal.keys() if journal else []
    columns = ("id", "name", "tenant", "created_at", "revoked")
    return [{column: getattr(key, column) for column in columns} for key in keys]


async def _revoke(settings: Settings, id: str) -> None:
    from hub.cli.workspace import open_desk

    async with open_desk(settings) as desk:
        await desk.revoke_key(id)
