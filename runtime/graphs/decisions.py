"""Which way a run took at a step and why, in words; and every way that a graph has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.graphs.bodies import Places
from runtime.graphs.conditions import Condition
from runtime.graphs.file import END
from runtime.graphs.templates import look_up
from runtime.units import duration

if TYPE_CHECKING:
    from runtime.graphs.file import GraphFile, Node

ON_ERROR: Final = "on error"
ELSE: Final = "else"
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Exit:
    """One way on from a step.  `key` tells it from the step's other ways, `label` is what a drawing says."""

    step: str
    key: str
    go: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """That a run took one way on from a step, and why; `missing` are the conditions that met no value."""

    step: str
    key: str
    go: str
    why: str
    missing: tuple[str, ...] = ()


def exits(node: Node) -> Iterator[Exit]:
    """Yield every way on from a step."""
    if node.use == "branch":
        for number, way in enumerate(node.ways):
            label = ELSE if way.condition is None else f"if {way.condition}"
            yield Exit(node.id, branch_key(number), way.go, label)
    elif node.approval:
        for choice, step in node.approval.choices.items():
            late = node.approval.at_most if choice == node.approval.then else None
            label = choice if late is None else f"{choice}, also after {duration(late)}"
            yield Exit(node.id, choice, step, label)
    elif node.use != "fail":
        if node.each:
            yield Exit(node.id, "", node.each.do, "each item")
        yield Exit(node.id, "", node.next)
    if node.undo:
        yield Exit(node.id, "", node.undo, "undone by")
    if node.on_error:
        yield Exit(node.id, ON_ERROR, node.on_error, ON_ERROR)


def ways(file: GraphFile) -> dict[str, list[Exit]]:
    """Return the ways on from each step; what undoes a step or ends an item of a map just ends there."""
    places = Places(file.nodes)
    found = {}
    for id, node in file.nodes.items():
        inner = places.undoes(id) or bool(places.items(id))
        found[id] = [exit for exit in exits(node) if exit.label or exit.go != END or not inner]
    return found


def choices(file: GraphFile) -> list[Exit]:
    """Return the ways of a graph that a run may or may not take: what its tests should cover."""
    return [exit for node in file.nodes.values() for exit in exits(node) if exit.key]


def branch_key(number: int) -> str:
    """Return the key of a way of a branch."""
    return f"way {number + 1}"


# --------------------------------------------------------------------------- why


def why_held(condition: Condition, values: Mapping[str, Any]) -> str:
    """Say which condition held, with the values that it looked at."""
    return f"{condition.text}{_where(condition, values)}"


def why_not(condition: Condition, values: Mapping[str, Any], missing: str) -> str:
    """Say which condition did not hold, and whether it met a missing value."""
    verb = "met a missing value" if missing else "is false"
    return f"{condition.text} {verb}{_where(condition, values)}"


def why_else(passed: Iterable[str]) -> str:
    """Say why the last way of a branch was taken; `passed` are the reasons against the others."""
    return f"else, because {'; '.join(passed)}"


def _where(condition: Condition, values: Mapping[str, Any]) -> str:
    seen = [f"{'.'.join(path)} is {shown(look_up(values, path))}" for path in dict.fromkeys(condition.paths)]
    return f" ({', '.join(seen)})" if seen else ""


def shown(value: Any) -> str:
    """Return a value in a few words."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return f"an object with {', '.join(list(map(str, value))[:5]) or 'nothing in it'}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
