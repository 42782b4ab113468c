"""The optional `start` and `aclose` of plugin objects: bounded, and nobody's failure but their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from runtime.errors import HubbubError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.host import Host
from runtime.extensions.source import forget
from runtime.extensions.tasks import STARTING
from runtime.telemetry import get_logger

START_DEADLINE = 30.0
CLOSE_DEADLINE = 5.0
"""Seconds that all objects of one plugin have together."""

_log = get_logger(__name__)


async def start_plugins(catalog: Catalog) -> Catalog:
    """Call every `start`; return the catalog in which a plugin that could not start has failed.

    Plugins start side by side, the objects of one in order.
    """
    async with asyncio.TaskGroup() as group:
        starting = {
            info.module: group.create_task(
                start_plugin(info, _of(info, catalog)), name=f"start plugin {info.name}"
            )
            for info in catalog.plugins
            if info.module
        }
    broken = {module: reason for module, task in starting.items() if (reason := task.result())}
    if not broken:
        return catalog
    return Catalog(
        (
            replace(info, state="failed", error=broken[info.module], supplies=())
            if info.module in broken
            else info
            for info in catalog.plugins
        ),
        (found for found in catalog.registered if found.plugin.module not in broken),
        catalog.warnings,
    )


async def close_plugins(catalog: Catalog) -> None:
    """Call every `aclose`, the last object of a plugin first, and forget the modules; never raises."""
    async with asyncio.TaskGroup() as group:
        for info in catalog.plugins:
            if info.module:
                group.create_task(close_plugin(info, _of(info, catalog)), name=f"close plugin {info.name}")


async def start_plugin(info: PluginInfo, registered: Sequence[Registered]) -> str:
    """Call `start` of each object; return why the plugin cannot be used, closed again, "" when it can."""
    if info.missing_secret is not None:
        return ""  # it could only fail, and would be gone from the list of what is there
    deadline = time.monotonic() + START_DEADLINE
    begun, token = [], STARTING.set(True)
    try:
        for found in _having("start", registered):
            begun.append(found)
            await guard.call(found, "start", deadline=deadline)
    except HubbubError as error:
        _log.warning("plugin not started", plugin=info.name, file=info.file, reason=error.message)
        await _close(begun)
        return error.message.rstrip(".")
    finally:
        STARTING.reset(token)
    return ""


async def close_plugin(info: PluginInfo, registered: Sequence[Registered]) -> None:
    """Call `aclose` of each object and forget the module; never raises."""
    if info.missing_secret is None:
        await _close(_having("aclose", registered))
    forget(info.module)


async def _close(objects: Iterable[Registered]) -> None:
    deadline = time.monotonic() + CLOSE_DEADLINE
    for found in reversed(list(objects)):
        if not hasattr(found.value, "aclose"):
            continue
        # Under a host of its own: that of a retired plugin hands calls on, a resting one's refuses them.
        closing = replace(found, host=Host(found.plugin.name, found.host.bounds))
        try:
            await guard.call(closing, "aclose", deadline=deadline)
        except HubbubError as error:
            _log.warning("plugin not closed in order", plugin=found.plugin.name, reason=error.message)


def _of(info: PluginInfo, catalog: Catalog) -> list[Registered]:
    return [found for found in catalog.registered if found.plugin.module == info.module]


def _having(method: str, registered: Iterable[Registered]) -> list[Registered]:
    """Return the objects with that method, each once also when two hooks supply it."""
    return list({id(found.value): found for found in registered if hasattr(found.value, method)}.values())
