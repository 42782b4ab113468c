"""Values that a client takes out of threads by their paths: `values.messages[-1].content`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runtime.errors import InvalidInput
from runtime.types import JsonObject

MOST = 10
"""The most paths in one request."""

_ROOTS = ("values", "metadata", "config", "context", "interrupts")
_PATH = re.compile(r"[^.\[\]]+(?:\[-?\d{1,9}\])*(?:\.[^.\[\]]+(?:\[-?\d{1,9}\])*)*")
_STEP = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")

Path = list[int | str]


def read_paths(extract: Mapping[str, str]) -> dict[str, Path]:
    """Return paths, each as the keys and places it leads over; InvalidInput names the first that is none."""
    if len(extract) > MOST:
        raise InvalidInput(f"`extract` has at most {MOST} paths; ask for fewer.")
    return {name: _read(path) for name, path in extract.items()}


def follow(path: Path, value: Any) -> Any:
    """Return the value that a path leads to, None where it leads nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list):
            value = value[step] if -len(value) <= step < len(value) else None
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def extracted(paths: Mapping[str, Path], thread: JsonObject) -> JsonObject:
    """Return what all the paths lead to in a thread."""
    return {name: follow(path, thread) for name, path in paths.items()}


def _read(path: str) -> Path:
    if not _PATH.fullmatch(path):
        raise InvalidInput(
            f"{path[:100]} is no path; write names with dots between them, and places in lists as [-1]."
        )
    steps: Path = [int(place) if place else name for place, name in _STEP.findall(path)]
    if steps[0] not in _ROOTS:
        raise InvalidInput(f"The path {path[:100]} leads nowhere; begin it with {', '.join(_ROOTS)}.")
    return steps
