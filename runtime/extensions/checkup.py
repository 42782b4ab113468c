"""How each plugin is: its state, and what its objects say of themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from runtime.errors import HubbubError
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.types import Health

PATIENCE = 2.0
"""Seconds that all `check` methods of one plugin have together."""


async def check_plugins(catalog: Catalog) -> dict[str, Health]:
    """Return the health of every plugin, by name; those that have a `check` are asked side by side."""
    found = [(info, _asked(info, catalog)) for info in catalog.plugins]
    healths = await asyncio.gather(*(_health(info, objects) for info, objects in found))
    return {info.name: health for (info, _), health in zip(found, healths, strict=True)}


def _asked(info: PluginInfo, catalog: Catalog) -> list[Registered]:
    if info.state not in ("ready", "stale") or info.missing_secret is not None:
        return []
    objects = [found for found in catalog.registered if found.plugin.module == info.module]
    # A guardrail has a check of another kind.
    return [found for found in objects if found.kind != "guardrail" and hasattr(found.value, "check")]


async def _health(info: PluginInfo, asked: Sequence[Registered]) -> Health:
    if info.state not in ("ready", "disabled"):
        return Health(False, f"{info.state}: {info.error}")
    deadline = time.monotonic() + PATIENCE
    for found in asked:
        try:
            said = await guard.call(found, "check", deadline=deadline)
        except HubbubError as error:
            return Health(False, error.message)
        if not isinstance(said, Health):
            return Health(False, f"{found.kind}.{found.name} has a check that gives no Health; mend it.")
        if not said.ok:
            return said
    supplied = "disabled in config.toml" if info.state == "disabled" else ", ".join(info.supplies)
    return Health(True, info.error or supplied)
