"""Loads every plugin file, each on its own, into the snapshot that requests read."""

from __future__ import annotations

import hashlib
import types
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runtime.errors import HubbubError, PluginError
from runtime.extensions import registration, source
from runtime.extensions.catalog import CALL_DEADLINE, Catalog, PluginInfo, Registered
from runtime.extensions.failures import line_in, place
from runtime.extensions.finder import PluginFile, find_files
from runtime.extensions.lifecycle import close_plugins, start_plugins
from runtime.extensions.plugin_settings import plugin_settings
from runtime.extensions.shapes import NAME
from runtime.extensions.threads import Threads
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.telemetry.metrics import Metrics

__all__ = ["close_plugins", "load_plugins", "start_plugins"]


def load_plugins(settings: Settings, metrics: Metrics | None = None) -> Catalog:
    """Load what there is, first-party plugins first; never raises.

    What cannot be loaded is in the catalog too, with the reason.  `metrics` count the calls.
    """
    files, warnings = find_files(settings)
    loading = _Loading(settings, metrics, warnings)
    for file in files:
        loading.add(file)
    return Catalog(loading.plugins, loading.registered, loading.warnings)


@dataclass(slots=True)
class _Loading:
    """What was loaded so far."""

    settings: Settings
    metrics: Metrics | None
    warnings: list[str]
    plugins: list[PluginInfo] = field(default_factory=list)
    registered: list[Registered] = field(default_factory=list)

    def add(self, file: PluginFile) -> None:
        """Load one file; whatever it does, the result is an entry of its own."""
        info = PluginInfo(file.name, file.kind, file.shown, "failed")
        if file.name in self.settings.plugins.disabled:
            self.plugins.append(replace(info, state="disabled"))
            return
        try:
            self._refuse_name(file)
            made, objects = self._load(file, info)
        except PluginError as error:
            self.plugins.append(replace(info, error=_sentence(error.message)))
        else:
            self.plugins.append(made)
            self.registered += objects

    def _refuse_name(self, file: PluginFile) -> None:
        if not NAME.fullmatch(file.name):
            raise PluginError(
                f"{file.shown}: a plugin's name is at most 64 letters, digits, _ and -, a letter first; "
                "rename the file"
            )
        for other in self.plugins:
            if other.name == file.name:
                raise PluginError(
                    f"{file.shown}: {other.file} has the name {file.name} already; rename this file"
                )

    def _load(self, file: PluginFile, info: PluginInfo) -> tuple[PluginInfo, list[Registered]]:
        try:
            text, tree = source.read(file.path)
        except PluginError as error:
            line = line_in(error.__cause__, str(file.path)) if error.__cause__ else 0
            raise PluginError(f"{place(file.shown, line)}: {error.message}") from None
        warnings = [
            f"{file.shown}:{line}: it imports {name}, which may change at any time; "
            "import from hubbub instead"
            for name, line in source.insides_imported(tree)
        ]
        module = None
        try:
            module = source.execute(file.name, file.path, tree)
            loaded = self._register(file, info, module, hashlib.sha256(text).hexdigest()[:12])
        except BaseException as error:
            if module is not None:
                source.forget(module.__name__)
            if isinstance(error, KeyboardInterrupt):
                raise
            if isinstance(error, HubbubError) and not line_in(error, str(file.path)):
                raise PluginError(str(error)) from None  # ours, and not raised by the plugin's own code
            raise source.import_failure(error, file.path, file.shown) from None
        self.warnings += warnings
        return loaded

    def _register(
        self, file: PluginFile, info: PluginInfo, module: types.ModuleType, digest: str
    ) -> tuple[PluginInfo, list[Registered]]:
        """Call the hooks of a module that was imported, and keep what they return."""
        manager = registration.register(module, file.shown)
        declared = getattr(module, "Settings", None)
        values, missing = plugin_settings(declared, file.name, self.settings)
        found = registration.supplied(manager, module, values, file.shown)
        for kind, value in found:
            for other in self.registered:
                if (other.kind, other.name) == (kind.name, value.name):
                    raise PluginError(
                        f"{file.shown}: its {kind.name} {value.name} is supplied by "
                        f"{other.plugin.file} already; "
                        f'rename it, or put "{other.plugin.name}" into [plugins] disabled'
                    )
        version = getattr(module, "__version__", None)
        info = replace(
            info,
            state="ready",
            error=_sentence(str(missing)) if missing else "",
            version=version if isinstance(version, str) else digest,
            supplies=tuple(f"{kind.name}.{value.name}" for kind, value in found),
            missing_secret=missing,
            module=module.__name__,
        )
        host = self.settings.plugins.hosts.get(file.name)
        deadline, threads = host.deadline if host else CALL_DEADLINE, Threads()
        return info, [
            Registered(
                *(kind.name, value.name, value, info, getattr(value, "Params", None)),
                deadline=deadline,
                threads=threads,
                metrics=self.metrics,
            )
            for kind, value in found
        ]


def _sentence(words: str) -> str:
    """Leave out the full stop: it would follow a command that people copy."""
    return words.rstrip(".")
