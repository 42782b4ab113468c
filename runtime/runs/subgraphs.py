"""When the graphs inside a running graph begin and end, told from LangGraph's task events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.extensions.failures import in_words
from runtime.types import JsonObject

Namespace = tuple[str, ...]
Tell = Callable[[JsonObject, Namespace], None]
"""Writes a lifecycle event of a namespace."""


@dataclass(slots=True)
class Subgraphs:
    """A subgraph begins with the first task in its namespace and ends with the task that runs it.

    `cause` is the call of a tool, where one called the subgraph.
    """

    tell: Tell
    _seen: set[Namespace] = field(default_factory=set)
    _open: dict[Namespace, tuple[str, str]] = field(default_factory=dict)
    """The task that runs each open subgraph, and the subgraph's name."""
    _calls: dict[str, str] = field(default_factory=dict)
    """The tool calls that tasks carry out, by task."""

    def take(self, namespace: Namespace, task: Mapping[str, Any]) -> None:
        """Look at a task event: the start of a task, or its result."""
        if "result" in task:
            self._close_of(namespace, task)
            return
        if call := _tool_call(task.get("input")):
            self._calls[task["id"]] = call
        if namespace and namespace not in self._seen:
            self._begin(namespace, task)

    def end(self, event: str, error: str | None = None) -> None:
        """End what is still open, the innermost first, because the run ends."""
        for namespace in sorted(self._open, key=len, reverse=True):
            self._close(namespace, event, error)

    def _begin(self, namespace: Namespace, task: Mapping[str, Any]) -> None:
        self._seen.add(namespace)
        step, runs = _segment(namespace)
        name = (task.get("metadata") or {}).get("lc_agent_name") or step
        data: JsonObject = {"event": "started", "graph_name": name}
        if call := self._calls.get(runs):
            data["cause"] = {"type": "toolCall", "tool_call_id": call}
        self._open[namespace] = runs, name
        self.tell(data, namespace)

    def _close_of(self, namespace: Namespace, task: Mapping[str, Any]) -> None:
        """End the subgraphs that this task ran."""
        ran = [
            inner
            for inner, (runs, _) in self._open.items()
            if runs == task["id"] and inner[: len(namespace)] == namespace
        ]
        for inner in sorted(ran, key=len, reverse=True):
            if task.get("interrupts"):
                self._close(inner, "interrupted", None)
            elif error := task.get("error"):
                self._close(inner, "failed", in_words(error))
            else:
                self._close(inner, "completed", None)

    def _close(self, namespace: Namespace, event: str, error: str | None) -> None:
        _, name = self._open.pop(namespace)
        data: JsonObject = {"event": event, "graph_name": name}
        self.tell(data | ({"error": error} if error else {}), namespace)


def _segment(namespace: Namespace) -> tuple[str, str]:
    """Return the step that runs a subgraph and the id of its task.

    A step that runs several has a number as the last segment of all but the first.
    """
    segment = namespace[-2] if namespace[-1].isdigit() and len(namespace) > 1 else namespace[-1]
    name, _, task = segment.partition(":")
    return name, task


def _tool_call(input: Any) -> str | None:
    """Return the id of the tool call that a task is given: alone, or as the first of a list."""
    call = input.get("tool_call") if isinstance(input, Mapping) else input
    call = call[0] if isinstance(call, list) and call else call
    id = call.get("id") if isinstance(call, Mapping) else None
    return id if isinstance(id, str) else None
