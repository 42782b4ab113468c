"""The ways through a graph: steps never reached, loops without an end, outputs that may stay unset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runtime.graphs.bodies import body, reached, undoing
from runtime.graphs.file import END, GraphFile, Node
from runtime.graphs.findings import Findings
from runtime.graphs.loops import check_loops
from runtime.graphs.state import EMPTY


def check_flow(file: GraphFile, findings: Findings) -> None:
    """Follow every way from the start; all steps that are named exist."""
    main = reached(file.nodes, file.start)
    _check_bodies(file, set(main), findings)
    everywhere = _everywhere(file)
    _check_undoing(file, findings)
    for id in file.nodes:
        if id not in everywhere:
            findings.add_key(
                "E12", f"no way leads to the step {id}", "node", id, help="lead one there, or take it out"
            )
    ending = _ending(file)
    if endless := [id for id in file.nodes if id in everywhere and id not in ending]:
        names = ", ".join(endless)
        findings.add_key(
            "E13", f"no way leads from {names} to the end", "node", endless[0], help='let a step go to "end"'
        )
    else:
        check_loops(file, {id: written(node, file) for id, node in file.nodes.items()}, findings)
        _check_outputs(file, main, findings)


def _everywhere(file: GraphFile) -> set[str]:
    """Return all steps that are reached, also those inside of maps."""
    found, open = set[str](), [file.start]
    while open:
        new = set(reached(file.nodes, open.pop())) - found
        found |= new
        open += [each.do for step in new if (each := file.nodes[step].each)]
    return found | {undo for step in found if (undo := file.nodes[step].undo)}


def _check_bodies(file: GraphFile, main: set[str], findings: Findings) -> None:
    """A step that is done for each item is reached in no other way, and leads nowhere else."""
    for map in file.nodes.values():
        if map.each is None:
            continue
        outside = set(reached(file.nodes, map.id)) | main
        if map.each.do in outside:
            message = f"{map.each.do} is done for each item, and other steps lead to it too"
            help = "let the map do a step of its own"
            findings.add("E20", message, "node", map.id, "do", help=help)
            continue
        for id in body(file.nodes, map):
            node = file.nodes[id]
            if id not in outside and (out := next((step for step in node.targets if step in outside), None)):
                message = f"{id} is done for each item of {map.id}, and leads out of the map to {out}"
                findings.add_key(
                    "E20", message, "node", id, help="leave its next out, or end with another step"
                )


def _check_undoing(file: GraphFile, findings: Findings) -> None:
    """A step that undoes another is reached in no other way, and leads nowhere."""
    leading = {step: node.id for node in file.nodes.values() for step in node.targets}
    leading |= {node.each.do: node.id for node in file.nodes.values() if node.each}
    for id, done in undoing(file.nodes).items():
        if id in leading or id == file.start:
            message = f"{id} undoes {done}, and {leading.get(id, 'start')} leads to it too"
            findings.add("E20", message, "node", done, "undo", help="let a step of its own undo it")
        elif out := next((step for step in file.nodes[id].targets if step != END), None):
            message = f"{id} undoes {done}, and leads on to {out}"
            findings.add_key("E20", message, "node", id, help="take its next out")


def _ending(file: GraphFile) -> set[str]:
    """Return the steps from which the end can be reached."""
    before: dict[str, list[str]] = {}
    for id, node in file.nodes.items():
        for step in _following(node, file.nodes):
            before.setdefault(step, []).append(id)
    found = {END, *(id for id, node in file.nodes.items() if node.use == "fail")}
    open = list(found)
    while open:
        new = [id for id in before.get(open.pop(), ()) if id not in found]
        found.update(new)
        open += new
    return found


def _following(node: Node, nodes: Mapping[str, Node]) -> list[str]:
    # A step that does not exist may be meant to be any: nothing is concluded from it but the end.
    return [step if step in nodes else END for step in node.targets]


def _check_outputs(file: GraphFile, main: Sequence[str], findings: Findings) -> None:
    always = _always_set(file, main)
    for index, name in enumerate(file.output):
        one = file.fields.get(name)
        if one and one.needed and name not in always:
            findings.add(
                "E11",
                f"{name} may never be set",
                "output",
                index,
                name=name,
                help=f'set it on every way, or declare "{one.type}?"',
            )


def _always_set(file: GraphFile, main: Sequence[str]) -> set[str]:
    """Return the fields that are set on every way to the end."""
    everything = set(file.fields)
    given = {name for name, one in file.input.items() if not one.optional}
    given |= {name for name, one in file.state.items() if one.merge in EMPTY}
    before: dict[str, set[str]] = {id: set(everything) for id in (*main, END)}
    before[file.start] = given
    changed = True
    while changed:
        changed = False
        for id in main:
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
    if node.use in ("branch", "map", "wait", "fail"):
        return set()
    if node.use == "set":
        return set(node.params.get("set") or {})
    if isinstance(node.save, str):
        return {node.save}
    if node.save:
        return set(node.save)
    # Its result may have any field.
    return set() if node.use in ("llm", "agent") else set(file.state)
