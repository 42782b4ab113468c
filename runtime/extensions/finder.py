"""Which plugins there are: those beside the code, those of installed packages, the workspace's drop-ins."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

import runtime
from runtime.extensions.failures import shown_path
from runtime.settings import Settings

GROUP = "hubbub"
"""The entry points of packages that are plugins."""
FIRST_PARTY = Path(runtime.__file__).resolve().parent.parent / "plugins"


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A file that should be a plugin; `shown` is its path as people know it.

    That of an installed package is imported as `module`, and has its package's `version`.
    """

    name: str
    path: Path
    shown: str
    kind: Literal["first-party", "package", "drop-in"]
    module: str = ""
    version: str = ""


def find_files(settings: Settings) -> tuple[list[PluginFile], list[str]]:
    """Return every plugin file, the first-party ones first, and a sentence for each thing that is odd.

    A drop-in takes the place of the first-party or installed plugin of its name.  A workspace whose folder
    of plugins is the first-party one has no drop-ins.  Names that begin with _ are no plugins.
    """
    found = [_file(path, settings, "first-party") for path in _listed(FIRST_PARTY)]
    installed, odd = _installed({file.name: file for file in found})
    found += installed
    folder = settings.plugins.folder
    try:
        if folder.exists() and not folder.samefile(FIRST_PARTY):
            dropped = [_file(path, settings, "drop-in") for path in _listed(folder)]
            names = {file.name for file in dropped}
            found = [file for file in found if file.name not in names] + dropped
    except OSError as error:
        reason = error.strerror or error
        odd.append(f"{shown_path(folder, settings.workspace)} cannot be read ({reason}); mend that")
    return found, odd + _unknown_names(found, settings)


def _installed(taken: dict[str, PluginFile]) -> tuple[list[PluginFile], list[str]]:
    """Return what installed packages offer as entry points; nothing of them is imported."""
    found, odd = [], []
    for entry in entry_points(group=GROUP):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else (entry.module, "")
        if other := taken.get(entry.name):
            odd.append(
                f"the package {package} has a plugin {entry.name}, a name that {other.shown} has already; "
                "rename its entry point"
            )
            continue
        path = Path(entry.module.replace(".", "/") + ".py")
        file = PluginFile(entry.name, path, f"package {package}", "package", entry.module, version)
        found.append(file)
        taken[entry.name] = file
    return found, odd


def _listed(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".py" and not path.name.startswith("_"))


def _file(path: Path, settings: Settings, kind: Literal["first-party", "drop-in"]) -> PluginFile:
    return PluginFile(path.stem, path, shown_path(path, settings.workspace), kind)


def _unknown_names(found: list[PluginFile], settings: Settings) -> list[str]:
    """Say which names of `config.toml` no plugin has: most often they are misspelt."""
    names = sorted({*(file.name for file in found), *(f"mcp_{name}" for name in settings.mcp)})
    asked = {name: f"[plugins.{name}]" for name in (*settings.plugins.tables, *settings.plugins.hosts)}
    asked.update({name: f'"{name}" in [plugins] disabled' for name in settings.plugins.disabled})
    odd = []
    for name, words in asked.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            advice = f"did you mean {near[0]}?" if near else "take it out, or add the plugin"
            odd.append(f"{words} names no plugin; {advice}")
    return odd
