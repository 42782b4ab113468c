"""Drawings of a graph: text for terminals, Mermaid for documents; edges carry their conditions."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.graphs.decisions import exits, ways
from runtime.graphs.fields import Field
from runtime.graphs.file import END, GraphFile, Node
from runtime.types import JsonObject


def as_text(file: GraphFile) -> str:
    """Return the steps in the order a run meets them, each with where it goes."""
    lines = [f"{file.name}: {file.about}" if file.about else file.name, ""]
    lines.append(f"  start -> {file.start}   takes {', '.join(file.input) or 'nothing'}")
    width = max(len(id) for id in file.nodes)
    drawn = ways(file)
    for id in _order(file):
        node = file.nodes[id]
        lines += ["", f"  {id:<{width}}  {node.use}{_about(node)}"]
        lines += [f"  {'':<{width}}  {exit.label} -> {exit.go}".rstrip() for exit in drawn[id]]
    return "\n".join([*lines, "", f"  end        gives {', '.join(file.output)}"])


def as_mermaid(file: GraphFile) -> str:
    """Return a Mermaid flowchart."""
    lines = ["flowchart TD", f'    start(["{_escape(file.name)}"]) --> {_id(file.start)}']
    drawn = ways(file)
    for id, node in file.nodes.items():
        shape = ("{", "}") if node.use in ("branch", "approve") else ("[", "]")
        lines.append(f'    {_id(id)}{shape[0]}"{_escape(id)}<br/>{_escape(node.use)}"{shape[1]}')
        for exit in drawn[id]:
            arrow = f'-->|"{_escape(exit.label)}"|' if exit.label else "-->"
            lines.append(f"    {_id(id)} {arrow} {_id(exit.go)}")
    outputs = ", ".join(file.output)
    return "\n".join([*lines, f'    {_id(END)}(["{_escape(outputs)}"])'])


def as_markdown(file: GraphFile) -> str:
    """Return a page about the graph: what it takes and gives, its steps, and its drawing."""
    lines = [f"# {file.name}", "", *([file.about, ""] if file.about else [])]
    lines += [
        f"- takes: {_declared(file.input)}",
        f"- gives: {', '.join(f'`{name}`' for name in file.output)}",
    ]
    if file.settings:
        lines.append(
            f"- settings: {', '.join(f'`{name}` = {value}' for name, value in file.settings.items())}"
        )
    lines += ["", "| step | what it does | where it goes |", "|---|---|---|"]
    drawn = ways(file)
    for id in _order(file):
        node = file.nodes[id]
        goes = "<br>".join(f"{exit.label} → {exit.go}".strip() for exit in drawn[id])
        lines.append(f"| `{id}` | {_cell(node.use + _about(node))} | {_cell(goes)} |")
    return "\n".join([*lines, "", "```mermaid", as_mermaid(file), "```"])


def _declared(fields: Mapping[str, Field]) -> str:
    return (
        ", ".join(f"`{name}` ({one.type}{'?' if one.optional else ''})" for name, one in fields.items())
        or "nothing"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def drawing_as_text(name: str, drawn: JsonObject) -> str:
    """Return the steps of a graph written in Python, each with where it goes."""
    lines = [name]
    for step in [each["id"] for each in drawn["nodes"]]:
        ways = [edge for edge in drawn["edges"] if edge["source"] == step]
        if ways or step != "__end__":
            lines += [
                "",
                f"  {_shown(step)}",
                *(f"    {_label(way)}-> {_shown(way['target'])}" for way in ways),
            ]
    return "\n".join(lines)


def drawing_as_mermaid(drawn: JsonObject) -> str:
    """Return a Mermaid flowchart of a graph written in Python."""
    numbers = {each["id"]: f"step_{number}" for number, each in enumerate(drawn["nodes"])}
    lines = [f'    {number}["{_escape(_shown(id))}"]' for id, number in numbers.items()]
    for edge in drawn["edges"]:
        arrow = "-.->" if edge.get("conditional") else "-->"
        lines.append(f"    {numbers[edge['source']]} {arrow} {numbers[edge['target']]}")
    return "\n".join(["flowchart TD", *lines])


def _shown(step: str) -> str:
    return {"__start__": "start", "__end__": "end"}.get(step, step)


def _label(edge: JsonObject) -> str:
    if not edge.get("conditional"):
        return ""
    return f"{edge['data']} " if edge.get("data") else "maybe "


def _order(file: GraphFile) -> list[str]:
    found, open = [file.start], [file.start]
    while open:
        for step in [way.go for way in exits(file.nodes[open.pop(0)])]:
            if step in file.nodes and step not in found:
                found.append(step)
                open.append(step)
    return found


def _about(node: Node) -> str:
    told = []
    if isinstance(model := node.params.get("model"), str):
        told.append(model)
    if isinstance(collection := node.params.get("collection"), str):
        told.append(collection)
    written = node.params.get("set") if node.use == "set" else node.save
    if written:
        names = [written] if isinstance(written, str) else list(written)
        told.append(f"writes {', '.join(names)}")
    return f" ({'; '.join(told)})" if told else ""


def _id(step: str) -> str:
    # "end" is a word of Mermaid's own.
    return f"step_{step}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
