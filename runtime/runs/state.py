"""The state of a thread as people see it, and the place of a state among its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runtime.types import JsonObject


@dataclass(frozen=True, slots=True)
class Place:
    """A checkpoint of a thread, by default the newest of the whole graph.

    `namespace` names a graph inside it.  `around` says which checkpoints of the graphs around that one
    belong to it, by namespace as LangGraph writes it.
    """

    checkpoint: str | None = None
    namespace: tuple[str, ...] = ()
    around: Mapping[str, str] = field(default_factory=dict)

    @property
    def ns(self) -> str:
        """The namespace as LangGraph writes it."""
        return "|".join(self.namespace)


NEWEST = Place()
"""The newest checkpoint of the whole graph."""


@dataclass(frozen=True, slots=True)
class StateTask:
    """A step that is to run next, or was begun at this checkpoint.

    `inside` is where the states of the graph are that it runs, and `state` the newest of them, if
    asked for.
    """

    id: str
    name: str
    path: Sequence[Any] = ()
    error: str | None = None
    interrupts: Sequence[JsonObject] = ()
    result: Any = None
    inside: tuple[str, ...] | None = None
    state: ThreadState | None = None


@dataclass(frozen=True, slots=True)
class ThreadState:
    """The state of a thread at one checkpoint.  `next` are the steps still to run."""

    values: JsonObject
    next: tuple[str, ...] = ()
    place: Place = NEWEST
    parent: Place | None = None
    metadata: JsonObject = field(default_factory=dict)
    created_at: str | None = None
    tasks: Sequence[StateTask] = ()

    @property
    def checkpoint_id(self) -> str | None:
        """The id of its checkpoint; None where nothing is stored yet."""
        return self.place.checkpoint

    @property
    def interrupts(self) -> list[JsonObject]:
        """What its steps wait for."""
        return [each for task in self.tasks for each in task.interrupts]


class Update(NamedTuple):
    """A change of a state, as if the step `as_node` had made it; LangGraph finds out which one without it.

    `values` are fields of the state, or LangGraph's command is `command`.
    """

    values: Any
    as_node: str | None = None
    command: JsonObject | None = None
