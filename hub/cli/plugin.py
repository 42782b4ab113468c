"""`hubbub plugin`: what was found in plugins/, and why something was not loaded."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, print_table, say
from hub.cli.plugin_check import command as check
from hub.cli.plugin_new import command as new
from hub.cli.program import Target, unreachable
from runtime.errors import WorkspaceLocked

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hub.cli.workspace import Door
    from runtime.extensions.catalog import Catalog, PluginInfo
    from runtime.settings import Settings


@click.group("plugin")
def command() -> None:
    """Look at the plugins, make new ones, check them."""


command.add_command(new)
command.add_command(check)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def list_plugins(target: Target, as_json: bool) -> int:
    """List every plugin with its state; works also when all of them are broken.

    A hub that serves the workspace is asked how they are there.  Exits with 1 when one could not be loaded.
    """
    rows = [
        {**row, "error": row["error"] or unreachable(row["supplies"])} for row in _rows(target.settings())
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "kind", "state", "supplies", "error"], empty="There are no plugins.")
    return 1 if any(row["state"] == "failed" for row in rows) else 0


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def show(target: Target, name: str, as_json: bool) -> int:
    """Show the plugin NAME: its state, its settings, and the parameters of what it supplies.

    Exits with 1 when it could not be loaded.
    """
    from runtime.extensions.mcp_servers import load_all

    catalog = load_all(target.settings())
    plugin = _find(catalog, name)
    row = {**plugin.row, "settings": _settings(plugin), "objects": _objects(catalog, plugin)}
    if as_json:
        print_json(row)
    else:
        _print(row)
    return 1 if plugin.state == "failed" else 0


@command.command("disable")
@click.argument("name")
@click.pass_obj
def disable(target: Target, name: str) -> None:
    """Write NAME into [plugins] disabled of config.toml; a hub takes it when it starts."""
    from hub.cli.plugin_switch import switch
    from runtime.extensions.mcp_servers import load_all

    settings = target.settings()
    _find(load_all(settings), name)
    say(switch(settings.workspace / "config.toml", name, on=False))


@command.command("enable")
@click.argument("name")
@click.pass_obj
def enable(target: Target, name: str) -> None:
    """Take NAME out of [plugins] disabled of config.toml; a hub takes it when it starts."""
    from hub.cli.plugin_switch import switch

    say(switch(target.settings().workspace / "config.toml", name, on=True))


def _find(catalog: Catalog, name: str) -> PluginInfo:
    import difflib

    from runtime.errors import NotFound

    names = [plugin.name for plugin in catalog.plugins]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        advice = f"did you mean {near[0]}?" if near else "see `hubbub plugin list`."
        raise NotFound(f"There is no plugin {name[:80]}; {advice}")
    return next(plugin for plugin in catalog.plugins if plugin.name == name)


def _rows(settings: Settings) -> list[dict[str, Any]]:
    """Return what the running hub says of its plugins, or what they are when they are loaded here."""
    from hub.cli.workspace import find_hub

    try:
        door = find_hub(settings)
    except WorkspaceLocked:  # another verb is at work, which says nothing about plugins
        door = None
    if door is not None:
        return asyncio.run(_asked(door))
    from runtime.extensions.mcp_servers import load_all

    return [plugin.row for plugin in load_all(settings).plugins]


async def _asked(door: Door) -> list[dict[str, Any]]:
    from hub.cli.remote import open_remote

    async with open_remote(door) as remote:
        return await remote.plugins()


def _settings(plugin: PluginInfo) -> list[dict[str, Any]]:
    """Return the keys of the plugin's table, as its `Settings` declares them; never their values."""
    import sys

    declared = getattr(sys.modules.get(plugin.module), "Settings", None)
    return _fields(declared) if declared is not None else []


def _objects(catalog: Catalog, plugin: PluginInfo) -> list[dict[str, Any]]:
    objects = []
    for found in catalog.registered:
        if found.plugin.name == plugin.name:
            model = getattr(found.value, "Args", None) or found.Params
            about = getattr(found.value, "description", "") or inspect.getdoc(type(found.value)) or ""
            objects.append(
                {
                    "use": f"{found.kind}.{found.name}",
                    "about": about.partition("\n")[0],
                    "parameters": _fields(model) if model is not None else [],
                }
            )
    return objects


def _fields(model: type[BaseModel]) -> list[dict[str, Any]]:
    return [
        {
            "name": field.alias or name,
            "type": getattr(field.annotation, "__name__", str(field.annotation)),
            "default": "(needed)" if field.is_required() else field.get_default(call_default_factory=False),
            "about": field.description or "",
        }
        for name, field in model.model_fields.items()
    ]


def _print(row: Mapping[str, Any]) -> None:
    for key in ("name", "kind", "file", "state", "error", "version"):
        if row[key]:
            click.echo(f"{key:8} {row[key]}")
    if row["settings"]:
        click.echo(f"\n[plugins.{row['name']}] in config.toml")
        print_table(row["settings"], ["name", "type", "default", "about"], empty="")
    for each in row["objects"]:
        click.echo(f"\n{each['use']}: {each['about']}")
        print_table(
            each["parameters"], ["name", "type", "default", "about"], empty="no parameters of its own"
        )
