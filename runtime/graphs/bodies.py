"""Which steps a map does for each item, and what the items are called in them."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.graphs.file import Node


def reached(nodes: Mapping[str, Node], start: str) -> list[str]:
    """Return the steps that ways lead to from a step, itself first; not those that maps do for items."""
    found = dict.fromkeys([start] if start in nodes else ())
    open = list(found)
    for id in open:
        for step in nodes[id].targets:
            if step in nodes and step not in found:
                found[step] = None
                open.append(step)
    return open


def body(nodes: Mapping[str, Node], map: Node) -> list[str]:
    """Return the steps that a map does for each item, the first one first."""
    assert map.each
    return reached(nodes, map.each.do)


def inside(nodes: Mapping[str, Node], map: Node) -> set[str]:
    """Return the steps of a map's body, and of the bodies of the maps in it."""
    found, open = set[str](), [map]
    while open:
        new = set(body(nodes, open.pop())) - found
        found |= new
        open += [nodes[step] for step in new if nodes[step].each]
    return found - {map.id}


def undoing(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return the steps that undo others, each with the first one that it undoes."""
    found: dict[str, str] = {}
    for node in nodes.values():
        if node.undo:
            found.setdefault(node.undo, node.id)
    return found


def item_names(nodes: Mapping[str, Node]) -> dict[str, tuple[str, ...]]:
    """Return, for each step inside of maps, the names under which it reads their items."""
    found: dict[str, tuple[str, ...]] = {}
    for map in nodes.values():
        if map.each:
            steps = inside(nodes, map)
            for step in (*steps, *{undo for id in steps if (undo := nodes[id].undo)}):
                found[step] = (*found.get(step, ()), map.each.name)
    return found


class Places:
    """Where the steps of a graph stand: inside of maps, or as the undo of others."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._items, self._undoing = item_names(nodes), undoing(nodes)

    def items(self, step: str) -> tuple[str, ...]:
        """Return the names under which a step reads the items of the maps around it."""
        return self._items.get(step, ())

    def undoes(self, step: str) -> bool:
        """Whether a step undoes another one."""
        return step in self._undoing
