"""The loops of a graph, and whether each can end once a run is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runtime.graphs.conditions import ConditionMistake, compile_condition
from runtime.graphs.file import GraphFile, Node
from runtime.graphs.findings import Findings


def check_loops(file: GraphFile, changed: Mapping[str, set[str]], findings: Findings) -> None:
    """Find loops whose branches see the same in every round; `changed` are the fields each step writes."""
    for loop in loops(file.nodes):
        inside = set(loop)
        leaving = [file.nodes[id] for id in loop if not inside.issuperset(file.nodes[id].targets)]
        written = set[str]().union(*(changed[id] for id in loop))
        if leaving and not any(_may_leave(file, node, inside, written) for node in leaving):
            branch, names = leaving[0].id, ", ".join(sorted(loop))
            message = f"the loop of {names} never ends, because nothing in it changes what {branch} looks at"
            help = (
                f"write one of these values in the loop, or give {branch} max_loops and an else that leaves"
            )
            findings.add_key("E13", message, "node", branch, help=help)


def loops(nodes: Mapping[str, Node]) -> Iterator[Sequence[str]]:
    """Yield the steps of each loop (Tarjan's strongly connected components, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open: list[str] = []
    on_way = set[str]()
    for root in nodes:
        if root in index:
            continue
        work = [(root, iter(nodes[root].targets))]
        index[root] = low[root] = len(index)
        open.append(root)
        on_way.add(root)
        while work:
            id, targets = work[-1]
            step = next((each for each in targets if each in nodes), None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[id])
                if low[id] == index[id]:
                    found = open[open.index(id) :]
                    del open[-len(found) :]
                    on_way.difference_update(found)
                    if len(found) > 1 or id in nodes[id].targets:
                        yield found
            elif step not in index:
                index[step] = low[step] = len(index)
                open.append(step)
                on_way.add(step)
                work.append((step, iter(nodes[step].targets)))
            elif step in on_way:
                low[id] = min(low[id], index[step])


def _may_leave(file: GraphFile, node: Node, inside: set[str], written: set[str]) -> bool:
    """Whether a step of a loop can lead out of it in a later round although it did not in the first."""
    if node.use != "branch":
        return True
    if node.max_loops is not None and node.ways and node.ways[-1].go not in inside:
        return True
    fields = {**file.fields, **file.setting_fields}
    for way in node.ways:
        if way.condition is None:
            continue
        try:
            paths = compile_condition(way.condition, fields).paths
        except ConditionMistake:
            return True  # somebody else's finding
        for path in paths:
            names = path[1:2] if path[0] in ("state", "input") and path[0] not in fields else path[:1]
            if not names or names[0] in written or names[0] not in fields:
                return True
    return False
