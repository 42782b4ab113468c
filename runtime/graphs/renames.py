"""Finds steps that have another name now: what is gone and what is new, and alike."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_ALIKE = 0.7
"""How alike two steps must be, from 0 to 1, to be one that was renamed."""

_MOST = 400
"""Pairs that are compared at most: a file that was written anew has no renames worth finding."""

_TARGETS: Final = frozenset({"next", "on_error", "undo", "then", "go", "else", "do"})
"""Keys whose values name steps; `choices` leads to steps as well."""


def renamed_steps(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return the steps that were renamed: the name that each had, and has."""
    pairs = sorted(_pairs(before, after), reverse=True)
    found: dict[str, str] = {}
    for _, old, new in pairs:
        if old not in found and new not in found.values():
            found[old] = new
    return found


def follow(step: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return a step whose ways lead to the new names."""
    return {key: _led(key, value, renamed) for key, value in step.items()}


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[float, str, str]]:
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    pairs = [(one, two) for one in gone for two in new if before[one].get("use") == after[two].get("use")]
    for one, two in pairs[:_MOST]:
        alike = difflib.SequenceMatcher(None, _essence(before[one]), _essence(after[two]), autojunk=False)
        if alike.quick_ratio() >= _ALIKE and (ratio := alike.ratio()) >= _ALIKE:
            yield ratio, one, two


def _essence(step: Mapping[str, Any]) -> str:
    """Return what a step does as text, without where it leads."""
    own = {key: value for key, value in step.items() if key not in _TARGETS}
    return json.dumps(own, sort_keys=True, default=str)[:2000]


def _led(key: str, value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return renamed.get(value, value) if key in _TARGETS else value
    if key in _TARGETS and isinstance(value, list):
        return [_led(key, each, renamed) for each in value]
    if key == "choices" and isinstance(value, Mapping):
        return {choice: renamed.get(step, step) for choice, step in value.items()}
    if key == "when" and isinstance(value, list):
        return [follow(each, renamed) if isinstance(each, Mapping) else each for each in value]
    if key == "wait" and isinstance(value, Mapping):
        return follow(value, renamed)
    return value
