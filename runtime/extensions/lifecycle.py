"""The optional `start` and `aclose` of plugin objects: bounded, and nobody's failure but their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

from runtime.errors import HubbubError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.source import forget
from runtime.telemetry import get_logger

START_DEADLINE = 30.0
CLOSE_DEADLINE = 5.0
"""Seconds that all objects of one plugin have together."""

_log = get_logger(__name__)


async def start_plugins(catalog: Catalog) -> Catalog:
    """Call every `start`; return the catalog in which a plugin that could not start has failed.

    Plugins start side by side, the objects of one in order.
    """
    broken: dict[str, str] = {}

    async def start(plugin: PluginInfo, objects: list[Registered]) -> None:
        deadline = time.monotonic() + START_DEADLINE
        begun = []
        try:
            for found in objects:
                begun.append(found)
                await guard.call(found, "start", deadline=deadline)
        except HubbubError as error:
            broken[plugin.module] = error.message.rstrip(".")
            _log.warning("plugin not started", plugin=plugin.name, file=plugin.file, reason=error.message)
            await _close(begun)

    async with asyncio.TaskGroup() as group:
        for plugin in catalog.plugins:
            objects = _having("start", plugin, catalog.registered)
            # Without its secret it could only fail, and would be gone from the list of what is there.
            if objects and plugin.missing_secret is None:
                group.create_task(start(plugin, objects), name=f"start plugin {plugin.name}")
    if not broken:
        return catalog
    return Catalog(
        (
            replace(plugin, state="failed", error=broken[plugin.module], supplies=())
            if plugin.module in broken
            else plugin
            for plugin in catalog.plugins
        ),
        (found for found in catalog.registered if found.plugin.module not in broken),
        catalog.warnings,
    )


async def close_plugins(catalog: Catalog) -> None:
    """Call every `aclose`, the last object of a plugin first, and forget the modules; never raises."""
    async with asyncio.TaskGroup() as group:
        for plugin in catalog.plugins:
            if (objects := _having("aclose", plugin, catalog.registered)) and plugin.missing_secret is None:
                group.create_task(_close(objects), name=f"close plugin {plugin.name}")
    for plugin in catalog.plugins:
        forget(plugin.module)


async def _close(objects: Iterable[Registered]) -> None:
    deadline = time.monotonic() + CLOSE_DEADLINE
    for found in reversed(list(objects)):
        if not hasattr(found.value, "aclose"):
            continue
        try:
            await guard.call(found, "aclose", deadline=deadline)
        except HubbubError as error:
            _log.warning("plugin not closed in order", plugin=found.plugin.name, reason=error.message)


def _having(method: str, plugin: PluginInfo, registered: Iterable[Registered]) -> list[Registered]:
    """Return the plugin's objects with that method, each once also when two hooks supply it."""
    found = {
        id(one.value): one
        for one in registered
        if plugin.module and one.plugin.module == plugin.module and hasattr(one.value, method)
    }
    return list(found.values())
