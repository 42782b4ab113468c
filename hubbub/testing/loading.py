"""Loads a plugin file for its tests, in the way of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.errors import PluginError


def load(file: str | Path, kind: str, name: str = "", settings: Mapping[str, Any] | None = None) -> Any:
    """Return the object of a kind that a plugin file supplies; `name` says which, where there are several.

    `settings` are the plugin's own.  PluginError with the hub's sentence when the file cannot be loaded.
    """
    from runtime.extensions.alone import load_alone
    from runtime.extensions.source import forget
    from runtime.settings import PluginsSettings, Settings

    path = Path(file).resolve()
    tables = {path.stem: dict(settings or {})}
    catalog = load_alone(path, Settings(workspace=path.parent, plugins=PluginsSettings(tables=tables)))
    (plugin,) = catalog.plugins
    forget(plugin.module)
    if plugin.state != "ready":
        raise PluginError(plugin.error, plugin=plugin.name)
    found = [each.value for each in catalog.registered if each.kind == kind and name in ("", each.name)]
    if len(found) != 1:
        wanted = f"{kind}.{name}" if name else f"one {kind}"
        raise PluginError(f"{path.name} supplies {', '.join(plugin.supplies)}; {wanted} was asked for")
    return found[0]
