"""`hubbub plugin`: what was found in plugins/, and why something was not loaded."""

from __future__ import annotations

import click

from hub.cli.output import print_json, print_table
from hub.cli.program import Target


@click.group("plugin")
def command() -> None:
    """Look at the plugins."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def list_plugins(target: Target, as_json: bool) -> int:
    """List every plugin with its state; works also when all of them are broken.

    Exits with 1 when one could not be loaded.
    """
    from runtime.extensions.loader import load_plugins

    catalog = load_plugins(target.settings())
    rows = [
        {
            "name": plugin.name,
            "kind": plugin.kind,
            "file": str(plugin.file),
            "state": plugin.state,
            "error": plugin.error,
            "version": plugin.version,
            "supplies": list(plugin.supplies),
        }
        for plugin in catalog.plugins
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "kind", "state", "supplies", "error"], empty="There are no plugins.")
    return 1 if any(row["state"] == "failed" for row in rows) else 0
