"""A graph file as data: its limits, fields, settings and steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.graphs.fields import Field
from runtime.toml import TomlDocument

END: Final = "end"
RESERVED: Final = frozenset({"state", "input", "settings", "result", "meta", END})
"""Names with a meaning of their own in conditions and texts."""

MAX_STEPS = 100
"""Steps of a run when `limits` says nothing."""

MAX_PARALLEL = 8
"""Items of a map that are worked on at once when it says nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run: steps, US dollars, seconds; None where the file says nothing."""

    max_steps: int = MAX_STEPS
    max_cost_usd: float | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a branch; without a condition it is the last one, "else"."""

    go: str
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person is asked: to look at `show`, and to make one of the `choices` (the steps they lead to).

    When nobody has answered after `at_most` seconds the choice is `then`.
    """

    choices: Mapping[str, str]
    show: tuple[str, ...] = ()
    at_most: float | None = None
    then: str | None = None


@dataclass(frozen=True, slots=True)
class Each:
    """A map: the step `do` once for each item of the list at the path `over`, which it reads as `name`."""

    over: str
    name: str
    do: str
    max_parallel: int = MAX_PARALLEL


def tool_use(written: Any) -> str:
    """Return what an agent's tool is, as a step would use it: `sql` and `tool.sql` are the same."""
    use = str(written.get("use", "") if isinstance(written, Mapping) else written)
    return use if "." in use else f"tool.{use}"


@dataclass(frozen=True, slots=True)
class Node:
    """One step.  `params` are its own parameters as they were written."""

    id: str
    use: str
    params: Mapping[str, Any] = field(default_factory=dict)
    next: str = END
    save: str | tuple[str, ...] | Mapping[str, Any] | None = None
    timeout: float | None = None
    retry: int = 0
    on_error: str | None = None
    ways: tuple[Way, ...] = ()
    max_loops: int | None = None
    approval: Approval | None = None
    each: Each | None = None
    undo: str | None = None
    cache: float | None = None
    guard: tuple[str, ...] = ()

    @property
    def targets(self) -> list[str]:
        """Every step that may follow; not those that a map does for its items."""
        if self.use == "fail":
            return []
        if self.approval:
            return list(self.approval.choices.values())
        following = [way.go for way in self.ways] if self.use == "branch" else [self.next]
        return [*following, *([self.on_error] if self.on_error else [])]

    @property
    def tools(self) -> list[str]:
        """What an agent may call, as a step would use it."""
        named = self.params.get("tools") if self.use == "agent" else None
        return [tool_use(each) for each in named] if isinstance(named, list) else []


@dataclass(frozen=True, slots=True)
class GraphFile:
    """What a graph file says."""

    document: TomlDocument
    name: str
    about: str
    start: str
    output: tuple[str, ...]
    limits: Limits
    input: Mapping[str, Field]
    state: Mapping[str, Field]
    settings: Mapping[str, Any]
    setting_fields: Mapping[str, Field]
    nodes: Mapping[str, Node]

    @property
    def fields(self) -> dict[str, Field]:
        """Everything a step may read and write."""
        return {**self.input, **self.state}
