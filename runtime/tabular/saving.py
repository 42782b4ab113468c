"""Putting a new version of a model in its place: whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from runtime.errors import StorageError
from runtime.inference.artifacts import Artifacts

_BEGUN: Final = ".new-"


def put_version(models: Path, name: str, files: Callable[[int], Mapping[str, str]]) -> Path:
    """Write what `files` gives for the next version and return its folder, which is there by one rename.

    What another training left half-done when it was killed is taken away.
    """
    home = models / name
    begun = home / f"{_BEGUN}{os.getpid()}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        while True:
            version = max(Artifacts(models).versions(name), default=0) + 1
            begun.mkdir()
            for file, text in files(version).items():
                _write(begun / file, text)
            _sync(begun)
            if _took_its_place(begun, home / str(version)):
                _sync(home)
                return home / str(version)
            shutil.rmtree(begun)
    except OSError as error:
        raise StorageError(
            f"The model cannot be written to {home} ({error.strerror}); make room or change rights."
        ) from None
    finally:
        shutil.rmtree(begun, ignore_errors=True)


def _took_its_place(begun: Path, place: Path) -> bool:
    """Whether the folder got its name; False when somebody else was quicker."""
    try:
        begun.rename(place)
    except OSError:
        if not place.exists():
            raise
        return False
    return True


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(home: Path) -> None:
    for left in home.glob(f"{_BEGUN}*"):
        if not _alive(left.name.removeprefix(_BEGUN)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
