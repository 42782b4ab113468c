"""The ways through a graph: steps never reached, loops without an end, outputs that may stay unset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.graphs.file import END, GraphFile, Node
from runtime.graphs.findings import Findings, near


def check_flow(file: GraphFile, findings: Findings) -> None:
    """Follow every way from the start; names that do not exist are somebody else's finding."""
    if file.start not in file.nodes:
        findings.add("E05", f"there is no step {file.start}", "start", help=near(file.start, file.nodes))
        return
    reached = _reached(file)
    for id in file.nodes:
        if id not in reached:
            findings.add_key(
                "E12", f"no way leads to the step {id}", "node", id, help="lead one there, or take it out"
            )
    ending = _ending(file)
    if endless := [id for id in file.nodes if id in reached and id not in ending]:
        names = ", ".join(endless)
        findings.add_key(
            "E13", f"no way leads from {names} to the end", "node", endless[0], help='let a step go to "end"'
        )
    elif END in reached:
        _check_outputs(file, reached, findings)


def _reached(file: GraphFile) -> set[str]:
    found, open = {file.start}, [file.start]
    while open:
        for step in _following(file.nodes[open.pop()], file.nodes):
            if step not in found:
                found.add(step)
                if step != END:
                    open.append(step)
    return found


def _ending(file: GraphFile) -> set[str]:
    """Return the steps from which the end can be reached."""
    found = {END}
    while more := {
        id
        for id, node in file.nodes.items()
        if id not in found and found.intersection(_following(node, file.nodes))
    }:
        found |= more
    return found


def _following(node: Node, nodes: Mapping[str, Node]) -> list[str]:
    # A step that does not exist may be meant to be any: nothing is concluded from it but the end.
    return [step if step in nodes else END for step in node.targets]


def _check_outputs(file: GraphFile, reached: set[str], findings: Findings) -> None:
    always = _always_set(file, reached)
    for index, name in enumerate(file.output):
        one = file.fields.get(name)
        if one and one.needed and name not in always:
            findings.add(
                "E11",
                f"{name} may never be set",
                "output",
                index,
                help=f'set it on every way, or declare "{one.type}?"',
            )


def _always_set(file: GraphFile, reached: set[str]) -> set[str]:
    """Return the fields that are set on every way to the end."""
    everything = set(file.fields)
    given = {name for name, one in file.input.items() if not one.optional}
    before: dict[str, set[str]] = {id: set(everything) for id in reached}
    before[file.start] = given
    changed = True
    while changed:
        changed = False
        for id in reached - {END}:
            for step, known in _leaving(file, id, before[id]):
                narrowed = before[step] & known
                if narrowed != before[step]:
                    before[step], changed = narrowed, True
    return before.get(END, set())


def _leaving(file: GraphFile, id: str, before: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield each way on from a step, with what is set then."""
    node = file.nodes[id]
    after = before | written(node, file)
    for step in _following(node, file.nodes):
        yield step, after
    if node.on_error:
        yield node.on_error if node.on_error in file.nodes else END, before


def written(node: Node, file: GraphFile) -> set[str]:
    """Return the fields a step sets when it succeeds."""
    if node.use == "branch":
        return set()
    if node.use == "set":
        return set(node.params.get("set") or {})
    if isinstance(node.save, str):
        return {node.save}
    if node.save:
        return set(node.save)
    # Its result may have any field.
    return set() if node.use == "llm" else set(file.state)
