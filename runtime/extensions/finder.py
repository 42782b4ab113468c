"""Which plugin files there are: the first-party ones beside the code, then the workspace's drop-ins."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import runtime
from runtime.extensions.failures import shown_path
from runtime.settings import Settings

FIRST_PARTY = Path(runtime.__file__).resolve().parent.parent / "plugins"


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A file that should be a plugin; `shown` is its path as people know it."""

    name: str
    path: Path
    shown: str
    kind: Literal["first-party", "drop-in"]


def find_files(settings: Settings) -> tuple[list[PluginFile], list[str]]:
    """Return every plugin file, the first-party ones first, and a sentence for each thing that is odd.

    A drop-in takes the place of the first-party plugin of its name.  A workspace whose folder of plugins
    is the first-party one has no drop-ins.  Names that begin with _ are no plugins.
    """
    found = [_file(path, settings, "first-party") for path in _listed(FIRST_PARTY)]
    folder = settings.plugins.folder
    odd = []
    try:
        if folder.exists() and not folder.samefile(FIRST_PARTY):
            dropped = [_file(path, settings, "drop-in") for path in _listed(folder)]
            names = {file.name for file in dropped}
            found = [file for file in found if file.name not in names] + dropped
    except OSError as error:
        reason = error.strerror or error
        odd.append(f"{shown_path(folder, settings.workspace)} cannot be read ({reason}); mend that")
    return found, odd + _unknown_names(found, settings)


def _listed(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".py" and not path.name.startswith("_"))


def _file(path: Path, settings: Settings, kind: Literal["first-party", "drop-in"]) -> PluginFile:
    return PluginFile(path.stem, path, shown_path(path, settings.workspace), kind)


def _unknown_names(found: list[PluginFile], settings: Settings) -> list[str]:
    """Say which names of `config.toml` no plugin has: most often they are misspelt."""
    names = sorted({file.name for file in found})
    asked = {name: f"[plugins.{name}]" for name in (*settings.plugins.tables, *settings.plugins.hosts)}
    asked.update({name: f'"{name}" in [plugins] disabled' for name in settings.plugins.disabled})
    odd = []
    for name, words in asked.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            advice = f"did you mean {near[0]}?" if near else "take it out, or add the plugin"
            odd.append(f"{words} names no plugin; {advice}")
    return odd
