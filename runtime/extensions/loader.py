"""Loads plugins, each on its own, into the snapshot that requests read."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from runtime.errors import HubbubError, PluginError
from runtime.extensions import registration, source
from runtime.extensions.catalog import Catalog, PluginInfo, Registered
from runtime.extensions.failures import line_in, place
from runtime.extensions.finder import PluginFile, find_files
from runtime.extensions.header import NotInstalled
from runtime.extensions.host import Host
from runtime.extensions.lifecycle import close_plugins, start_plugins
from runtime.extensions.plugin_settings import plugin_settings
from runtime.extensions.shapes import NAME
from runtime.extensions.threads import within
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.telemetry.metrics import Metrics

LOAD_TIMEOUT = 30.0
"""Seconds for the code of a plugin file and its hooks."""

__all__ = [
    "Loaded",
    "catalog_of",
    "close_plugins",
    "load_file",
    "load_files",
    "load_plugins",
    "start_plugins",
]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """One file as it was last read: what it is, what it supplies, and what is odd about it.

    `digest` tells its text from another.  With `clash` it may be loaded once another file has changed.
    """

    file: PluginFile
    digest: str
    info: PluginInfo
    registered: tuple[Registered, ...] = ()
    warnings: tuple[str, ...] = ()
    clash: bool = False


class _Clash(PluginError):
    """What it supplies is supplied by another file already."""


def load_plugins(settings: Settings, metrics: Metrics | None = None) -> Catalog:
    """Load what there is, first-party plugins first; never raises.

    What cannot be loaded is in the catalog too, with the reason.  `metrics` count the calls.
    """
    files, odd = find_files(settings)
    return catalog_of(load_files(files, settings, metrics), odd)


def load_files(files: Iterable[PluginFile], settings: Settings, metrics: Metrics | None) -> list[Loaded]:
    """Load files one after the other; a name belongs to the first that has it."""
    found: list[Loaded] = []
    for file in files:
        found.append(load_file(file, settings, metrics, found))
    return found


def catalog_of(loaded: Sequence[Loaded], odd: Iterable[str] = ()) -> Catalog:
    """Put what was loaded into a snapshot; `odd` are further warnings."""
    return Catalog(
        (each.info for each in loaded),
        (found for each in loaded for found in each.registered),
        [*odd, *(words for each in loaded for words in each.warnings)],
    )


def load_file(
    file: PluginFile, settings: Settings, metrics: Metrics | None, others: Sequence[Loaded]
) -> Loaded:
    """Load one file; whatever it does, the result is an entry of its own.

    `others` are the files whose names it may not take.
    """
    info = PluginInfo(file.name, file.kind, file.shown, "failed")
    digest = source.digest(file.path)
    if file.name in settings.plugins.disabled:
        return Loaded(file, digest, replace(info, state="disabled"))
    try:
        _refuse_name(file)
        return _in_time(file, partial(_load, file, info, settings, metrics, others))
    except PluginError as error:
        failed = replace(info, error=_sentence(error.message))
        if file.kind == "first-party" and isinstance(error, NotInstalled):
            failed = replace(failed, state="disabled")  # nobody has asked for it yet
        return Loaded(file, digest, failed, clash=isinstance(error, _Clash))


def _in_time(file: PluginFile, load: Callable[[], Loaded]) -> Loaded:
    """Load in a thread, which is left behind when the plugin's own code does not end."""
    output = sys.stdout
    try:
        return within(LOAD_TIMEOUT, load)
    except TimeoutError:
        sys.stdout = output  # that thread will not put it back
        raise PluginError(
            f"{file.shown}: it was not loaded within {LOAD_TIMEOUT:g} s; do what takes long in start, "
            "and restart the hub"
        ) from None


def _refuse_name(file: PluginFile) -> None:
    if not NAME.fullmatch(file.name):
        raise PluginError(
            f"{file.shown}: a plugin's name is at most 64 letters, digits, _ and -, a letter first; "
            "rename the file"
        )


def _load(
    file: PluginFile, info: PluginInfo, settings: Settings, metrics: Metrics | None, others: Sequence[Loaded]
) -> Loaded:
    host = Host(file.name, settings.plugins.hosts.get(file.name), metrics)
    if host.bounds.run == "process":
        return _load_apart(file, info, settings, host, others)
    found = source.package(file) if file.module else _read(file)
    module = None
    try:
        module = found.execute()
        info, registered = _register(file, replace(info, version=found.version), module, settings, host)
        _refuse_clash(file, registered, others)
    except BaseException as error:
        if module is not None:
            source.forget(module.__name__)
        if isinstance(error, KeyboardInterrupt | _Clash):
            raise
        if isinstance(error, HubbubError) and not line_in(error, str(found.path)):
            raise PluginError(str(error)) from None  # ours, and not raised by the plugin's own code
        raise source.import_failure(error, found.path, file.shown) from None
    return Loaded(file, found.digest, info, registered, found.warnings)


def _read(file: PluginFile) -> source.Code:
    """Read a plugin file; PluginError with the place of what is wrong."""
    try:
        text = source.read(file.path)
    except PluginError as error:
        line = line_in(error.__cause__, str(file.path)) if error.__cause__ else 0
        raise type(error)(f"{place(file.shown, line)}: {error.message}") from None
    warnings = tuple(
        f"{file.shown}:{line}: it imports {name}, which may change at any time; import from hubbub instead"
        for name, line in text.insides
    )
    execute = partial(source.execute, file.name, file.path, text.code)
    return source.Code(file.path, execute, text.digest, text.digest[:12], warnings)


def _load_apart(
    file: PluginFile, info: PluginInfo, settings: Settings, host: Host, others: Sequence[Loaded]
) -> Loaded:
    """Load a file into a process of its own."""
    from runtime.extensions.apart import load_apart

    digest = source.digest(file.path)
    info, registered, warnings = load_apart(file, info, settings, host)
    try:
        _refuse_clash(file, registered, others)
    except _Clash:
        registered[0].value.discard()
        raise
    return Loaded(file, digest, info, registered, warnings)


def _register(
    file: PluginFile,
    info: PluginInfo,
    module: types.ModuleType,
    settings: Settings,
    host: Host,
) -> tuple[PluginInfo, tuple[Registered, ...]]:
    """Call the hooks of a module that was imported, and keep what they return."""
    manager = registration.register(module, file.shown)
    declared = getattr(module, "Settings", None)
    values, missing = plugin_settings(declared, file.name, settings)
    found = registration.supplied(manager, module, values, file.shown)
    version = getattr(module, "__version__", None)
    info = replace(
        info,
        state="ready",
        error=_sentence(str(missing)) if missing else "",
        version=version if isinstance(version, str) else info.version,
        supplies=tuple(f"{kind.name}.{value.name}" for kind, value in found),
        missing_secret=missing,
        module=module.__name__,
    )
    return info, tuple(
        Registered(kind.name, value.name, value, info, getattr(value, "Params", None), host)
        for kind, value in found
    )


def _refuse_clash(file: PluginFile, registered: Iterable[Registered], others: Sequence[Loaded]) -> None:
    taken = {(found.kind, found.name): found for other in others for found in other.registered}
    for found in registered:
        if other := taken.get((found.kind, found.name)):
            raise _Clash(
                f"{file.shown}: its {found.kind} {found.name} is supplied by {other.plugin.file} already; "
                f'rename it, or put "{other.plugin.name}" into [plugins] disabled'
            )


def _sentence(words: str) -> str:
    """Leave out the full stop: it would follow a command that people copy."""
    return words.rstrip(".")
