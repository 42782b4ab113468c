"""Which versions a hub is to serve, and whether their files are still the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from runtime.inference.artifacts import FORMATS, Artifacts
from runtime.inference.description import FILE

_PICKLES = (".pkl", ".pickle", ".joblib")

Files: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Names, times of change, sizes and inodes of what decides how a model is opened."""


@dataclass(frozen=True, slots=True)
class Found:
    """The folder of a version that is to be served; `refused` is why it is not even opened."""

    folder: Path
    files: Files
    refused: str = ""


def look(artifacts: Artifacts, most: int) -> Mapping[str, Mapping[int, Found]]:
    """Return the newest versions of every model, as many as `most`; folders without a model file are none."""
    found: dict[str, dict[int, Found]] = {}
    for name in artifacts.names():
        for number in reversed(artifacts.versions(name)):
            version = _found(artifacts.folder / name / str(number))
            if version is not None and len(found.setdefault(name, {})) < most:
                found[name][number] = version
    return {name: versions for name, versions in found.items() if versions}


def _found(folder: Path) -> Found | None:
    try:
        names = sorted(each.name for each in folder.iterdir() if each.is_file())
        files = tuple(_signature(folder / name) for name in names if name in (*FORMATS, FILE))
    except OSError:
        return None  # it is being taken away
    if any(name in FORMATS for name in names):
        return Found(folder, files)
    pickle = next((name for name in names if name.endswith(_PICKLES)), "")
    if not pickle:
        return None
    why = f"it holds {pickle}, and pickles are never loaded because they can be programs; export it as ONNX"
    return Found(folder, (), why)


def _signature(file: Path) -> tuple[str, int, int, int]:
    about = file.stat()
    return file.name, about.st_mtime_ns, about.st_size, about.st_ino
