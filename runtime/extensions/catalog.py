"""The snapshot of loaded plugins that requests read; made once per load, never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from runtime.errors import MissingSecret, PluginError
from runtime.extensions.host import Host
from runtime.types import JsonObject

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What `hubbub plugin list` shows of one plugin.

    `error` is the sentence beside the name: why it is not loaded, why an edit of it was not taken
    (`stale`: the last good one still serves), why it is left alone for a while (`resting`), or which
    secret a ready plugin still lacks (then `missing_secret` is what each call of it raises).  `supplies`
    are "KIND.NAME".
    """

    name: str
    kind: Literal["first-party", "package", "drop-in", "mcp", "model"]
    file: str
    state: Literal["ready", "stale", "resting", "failed", "disabled"]
    error: str = ""
    version: str = ""
    supplies: tuple[str, ...] = ()
    missing_secret: MissingSecret | None = None
    module: str = ""
    """Its private name in `sys.modules`."""

    @property
    def row(self) -> JsonObject:
        """What is listed of it."""
        names = ("name", "kind", "file", "state", "error", "version")
        return {**{name: getattr(self, name) for name in names}, "supplies": list(self.supplies)}


class Way(NamedTuple):
    """How a method is called: the bound method, what it is, and what checks its results."""

    function: Callable[..., Any]
    kind: Literal["coroutine", "generator", "plain"]
    misfit: Callable[[Any], str] | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """One object of a plugin; `kind` is "retriever", "provider" … and `Params` its own parameters.

    `host` is what its calls are made under, shared by all objects of the plugin.
    """

    kind: str
    name: str
    value: Any
    plugin: PluginInfo
    Params: type[BaseModel] | None = None
    host: Host = field(default_factory=Host, repr=False, compare=False)
    ways: dict[str, Way] = field(default_factory=dict, repr=False, compare=False)
    """What was found out about its methods, so that a call need not look again."""

    @property
    def newest(self) -> Registered:
        """Return what takes its place now: itself, until its plugin is loaded anew.  PluginError without."""
        found = self
        while (successors := found.host.successors) is not None:
            after = successors.get((self.kind, self.name))
            if after is None:
                raise PluginError(
                    f"{self.kind}.{self.name} was taken out while it was used: {self.plugin.file} does not "
                    "supply it any more; put it back, or start again without it.",
                    plugin=self.plugin.name,
                )
            found = after
        return found


class Catalog:
    """Every plugin with its state, and every object of the ready ones by kind and name.

    `warnings` are sentences about what works but is not as it should be.
    """

    __slots__ = ("_hosts", "_objects", "_plugins", "registered", "warnings")

    def __init__(
        self,
        plugins: Iterable[PluginInfo] = (),
        registered: Iterable[Registered] = (),
        warnings: Iterable[str] = (),
    ) -> None:
        self._plugins = tuple(plugins)
        self.registered = tuple(registered)
        self.warnings = tuple(warnings)
        self._objects = {(found.kind, found.name): found for found in self.registered}
        self._hosts = {found.plugin.module: found.host for found in self.registered}

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin as it is now."""
        return tuple(self._now(info) for info in self._plugins)

    def _now(self, info: PluginInfo) -> PluginInfo:
        host = self._hosts.get(info.module) if info.module else None
        if host is None or not (reason := host.resting):
            return info
        return replace(info, state="resting", error=reason.rstrip("."))

    def get(self, kind: str, name: str) -> Registered | None:
        """Return the object, or None."""
        return self._objects.get((kind, name))

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(name for of_kind, name in self._objects if of_kind == kind)
