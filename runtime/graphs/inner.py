"""The step `graph`: another graph as one step, with an input of its own; its output is the step's result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtime.errors import InvalidInput, NotFound
from runtime.graphs.file import Node
from runtime.graphs.findings import Findings, near
from runtime.graphs.parameters import SECRET, fixed
from runtime.graphs.scope import Outcome, StepCall

if TYPE_CHECKING:
    from runtime.graphs.text_version import GraphVersion


async def run_inside(version: GraphVersion | None, call: StepCall, given: Mapping[str, Any]) -> Outcome:
    """Run the graph inside a step."""
    if version is None:
        raise NotFound(f"there is no graph {given['graph']} in a rehearsal; give the step a mock")
    input = version.validate_input(given["input"])
    # LangGraph takes the thread, the run's context and the checkpointer from the task around it.
    about: Any = {"metadata": {"lc_agent_name": version.name}}
    values = await call.inside.ainvoke(version.initial(input), about)
    return Outcome(version.output_of(version.visible(values)))


def no_secret(reference: str) -> str:
    """Refuse a secret: what a graph is given is kept in its state."""
    raise InvalidInput(f"{reference} cannot be given to a graph; name it in the step that needs it")


def check_inner(node: Node, inside: Mapping[str, GraphVersion | str], findings: Findings) -> None:
    """Check a step against the graph that it runs; why that cannot be run is a sentence in its place."""
    path = ("node", node.id)
    if not (name := node.params["graph"]):
        return
    found = inside.get(name)
    if found is None or isinstance(found, str):
        message, _, help = (found or f"there is no graph {name}").partition("; ")
        findings.add("E21", message, *path, "graph", help=help)
        return
    _check_input(node, found, findings, *path, "input")
    saved = node.save if isinstance(node.save, tuple) else ()
    for index, field in enumerate(saved):
        if field not in found.spec.output:
            help = near(field, found.spec.output)
            findings.add("E08", f"{name} has no output {field}", *path, "save", index, help=help)


def _check_input(node: Node, version: GraphVersion, findings: Findings, *path: str) -> None:
    given, known = node.params["input"], version.spec.input
    for name, value in given.items():
        if name not in known:
            message = f"{version.name} has no input {name}"
            findings.add_key("E08", message, *path, name, help=near(name, known))
        elif isinstance(value, str) and value.startswith(SECRET):
            message = f"{version.name} would keep the secret {value.removeprefix(SECRET)} in its state"
            help = "name it in the step that needs it"
            findings.add("E03", message, *path, name, help=help)
        elif fixed(value):
            _check_value(known[name].checked, value, f"the input {name}", findings, *path, name)
    missing = [name for name, one in known.items() if one.needed and name not in given]
    if missing and not any(name not in known for name in given):
        place = path if given else path[:-1]
        message = f"{version.name} needs the input {missing[0]}"
        findings.add_key("E04", message, *place, help=f"add {missing[0]} = … to input")


def _check_value(checked: Any, value: Any, what: str, findings: Findings, *path: str) -> None:
    try:
        checked(value, what)
    except InvalidInput as error:
        sentence, _, remedy = str(error).rstrip(".").rpartition("; ")
        findings.add("E03", sentence, *path, help=remedy)
