"""The folder of trained models: NAME/VERSION/…, and which version is the newest."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import NotFound

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""What a model may be called; a folder of another name is none."""

VERSION = re.compile(r"[1-9][0-9]{0,8}")
"""A version is a positive whole number; whoever writes one gives its folder this name last, by a rename."""

FORMATS = ("model.onnx", "model.txt")
"""The files that a hub can serve; a version without one belongs to a plugin."""

_SETTLED = 2_000_000_000
"""Nanoseconds: a folder that changed less than this ago may change again without a later time of change."""

_SHOWN = 60
"""Characters of a name that a sentence repeats."""


class Artifacts:
    """Finds models and their versions; asked again, it looks only whether the folder has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, tuple[int, Sequence[int]]] = {}

    def names(self) -> list[str]:
        """Return the models that have a version, sorted."""
        return sorted(name for name in _folders(self.folder, NAME) if self.versions(name))

    def versions(self, name: str) -> Sequence[int]:
        """Return the versions of a model, the newest last; none when there is no such model."""
        if not NAME.fullmatch(name):
            return ()
        folder = self.folder / name
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return ()
        known = self._listed.get(name)
        if known is not None and known[0] == changed:
            return known[1]
        now = time.time_ns()
        found = sorted(int(version) for version in _folders(folder, VERSION))
        if now - changed > _SETTLED:
            self._listed[name] = changed, found
        return found

    def find(self, name: str, version: str = "") -> Path:
        """Return the folder of a version, by default of the newest; NotFound says which ones there are."""
        versions = self.versions(name)
        if not versions:
            raise NotFound(f"There is no trained model {_short(name)}; {self._models()}")
        chosen = version or str(versions[-1])
        if not VERSION.fullmatch(chosen) or int(chosen) not in versions:
            there = ", ".join(map(str, versions[-10:]))
            raise NotFound(f"The model {name} has no version {_short(chosen)}; take one of {there}.")
        return self.folder / name / chosen

    def _models(self) -> str:
        there = self.names()
        return (
            f"take one of {', '.join(there[:20])}."
            if there
            else "put one into [inference] folder, as NAME/1."
        )


def _folders(folder: Path, name: re.Pattern[str]) -> list[str]:
    """Return the folders of such names inside a folder; none when it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if name.fullmatch(entry.name) and entry.is_dir()]
    except OSError:
        return []


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
