"""The graphs of a run as a tree: what runs inside what, and how far each has come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime.records import Run
from runtime.types import Event, JsonObject

_ENDED = frozenset({"completed", "failed", "interrupted"})
_ABOUT = ("cause", "error", "attempt")


class RunLog(Protocol):
    """The part of the journal that a tree is folded from."""

    async def run_events(self, run: str, method: str) -> Sequence[Event]:
        """Return the durable events of a run and a method, in order."""


@dataclass(slots=True)
class AgentNode:
    """One graph of a run; the root has the empty namespace."""

    namespace: tuple[str, ...]
    graph_name: str
    status: str = "started"
    metadata: JsonObject = field(default_factory=dict)
    children: dict[str, AgentNode] = field(default_factory=dict)

    def flat(self) -> list[JsonObject]:
        """Return namespace and status of each graph, outer ones first."""
        return [{"namespace": list(each.namespace), "status": each.status} for each in self._walk()]

    def shown(self) -> JsonObject:
        """Return the tree as the protocol shows it."""
        found: JsonObject = {
            "namespace": list(self.namespace),
            "status": self.status,
            "graph_name": self.graph_name,
        }
        if self.children:
            found["children"] = [each.shown() for each in self.children.values()]
        if self.metadata:
            found["metadata"] = self.metadata
        return found

    def take(self, event: Event) -> None:
        """Take a lifecycle event of the root or of a graph below it."""
        node = self
        for depth, segment in enumerate(event.namespace, 1):
            if segment not in node.children:
                name = segment.partition(":")[0]
                node.children[segment] = AgentNode(event.namespace[:depth], name)
            node = node.children[segment]
        data = event.data
        node.graph_name = data.get("graph_name") or node.graph_name
        node.metadata |= {key: data[key] for key in _ABOUT if key in data}
        if data["event"] in _ENDED:
            node._end(data["event"])
        else:
            node.status = data["event"]

    def _end(self, status: str) -> None:
        """End it, and with it what still runs inside."""
        self.status = status
        for each in self.children.values():
            if each.status not in _ENDED:
                each._end(status)

    def _walk(self) -> Iterator[AgentNode]:
        yield self
        for each in self.children.values():
            yield from each._walk()


def fold(run: Run, events: Iterable[Event]) -> AgentNode:
    """Return the tree that the lifecycle events of a run tell of."""
    root = AgentNode((), run.graph, metadata={"run_id": run.id})
    for event in events:
        root.take(event)
    return root


async def read_tree(log: RunLog, run: Run) -> AgentNode:
    """Return the tree of a run; StorageError."""
    return fold(run, await log.run_events(run.id, "lifecycle"))
