"""The snapshot of loaded plugins that requests read; made once per load, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runtime.errors import MissingSecret
from runtime.extensions.threads import Threads

if TYPE_CHECKING:
    from pydantic import BaseModel

    from runtime.telemetry.metrics import Metrics

CALL_DEADLINE = 120.0
"""Seconds one call of a plugin may take when `[plugins.NAME.host] deadline` says nothing else."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What `hubbub plugin list` shows of one plugin.

    `error` is the sentence beside the name: why it is not loaded, or which secret a ready plugin
    still lacks (then `missing_secret` is what each call of it raises).  `supplies` are "KIND.NAME".
    """

    name: str
    kind: Literal["first-party", "drop-in"]
    file: str
    state: Literal["ready", "failed", "disabled"]
    error: str = ""
    version: str = ""
    supplies: tuple[str, ...] = ()
    missing_secret: MissingSecret | None = None
    module: str = ""
    """Its private name in `sys.modules`."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One object of a plugin; `kind` is "retriever", "provider" … and `Params` its own parameters.

    `deadline` are the seconds one call may take; `threads` run its plain `def` methods, shared by the
    plugin's objects, so that a plugin that blocks its threads keeps nobody else waiting.
    """

    kind: str
    name: str
    value: Any
    plugin: PluginInfo
    Params: type[BaseModel] | None = None
    deadline: float = CALL_DEADLINE
    threads: Threads = field(default_factory=Threads, repr=False, compare=False)
    metrics: Metrics | None = field(default=None, repr=False, compare=False)
    """Where its calls are counted; None where nobody counts."""


class Catalog:
    """Every plugin with its state, and every object of the ready ones by kind and name.

    `warnings` are sentences about what works but is not as it should be.
    """

    __slots__ = ("_objects", "plugins", "registered", "warnings")

    def __init__(
        self,
        plugins: Iterable[PluginInfo] = (),
        registered: Iterable[Registered] = (),
        warnings: Iterable[str] = (),
    ) -> None:
        self.plugins = tuple(plugins)
        self.registered = tuple(registered)
        self.warnings = tuple(warnings)
        self._objects = {(found.kind, found.name): found for found in self.registered}

    def get(self, kind: str, name: str) -> Registered | None:
        """Return the object, or None."""
        return self._objects.get((kind, name))

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(name for of_kind, name in self._objects if of_kind == kind)
