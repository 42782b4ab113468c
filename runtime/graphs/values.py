"""What a step writes, compared with what is declared: wrong types that can be seen before a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.graphs.fields import Field
from runtime.graphs.file import Node
from runtime.graphs.findings import Findings
from runtime.graphs.parameters import SECRET, fixed
from runtime.graphs.templates import whole_path

_RESULTS = {"retriever": "list", "recommender": "list", "approve": "object"}
_SAME = frozenset({("int", "number")})
_A = {
    "text": "text",
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "list": "a list",
}


def result_type(node: Node) -> str | None:
    """Return the type of what a step gives, where it is always the same."""
    if node.use in ("llm", "agent"):
        return "text" if node.params.get("returns", "text") == "text" else None
    return _RESULTS.get(node.use.partition(".")[0])


def check_result(one: Field, node: Node, findings: Findings, *path: str | int) -> None:
    """Compare what a step gives with the field it is saved in."""
    given = result_type(node)
    if given and not _fits(given, one):
        message = f"{node.use} gives {in_words(given)}, and {one.name} is declared as {one.type}"
        json = ', or write returns = "json"' if node.use in ("llm", "agent") else ""
        findings.add("E03", message, *path, help=f'declare {one.name} as "{given}"{json}')


def check_value(
    one: Field,
    raw: Any,
    fields: Mapping[str, Field],
    result: str | None,
    findings: Findings,
    *path: str | int,
) -> None:
    """Compare a written value with its field; `result` is the type of `{{ result }}`, if it is known."""
    if isinstance(raw, str) and raw.startswith(SECRET):
        message = "a secret is not kept in the state, where everybody sees it"
        findings.add("E15", message, *path, help="name it where it is used")
    elif fixed(raw):
        single = one.merge == "append" and not isinstance(raw, list)
        if not single and (wrong := one.refusal(raw)):
            findings.add("E03", f"what is written to {one.name}{wrong.what}", *path, help=wrong.help)
    elif isinstance(raw, str):
        given = _type_of(raw, fields, result)
        if given and not _fits(given, one):
            message = f"this writes {in_words(given)}, and {one.name} is declared as {one.type}"
            findings.add("E03", message, *path, help=_as(one))


def in_words(type: str) -> str:
    """Return a type as it stands in a sentence."""
    return _A.get(type, f"an {type}")


def _as(one: Field) -> str:
    return f"write {in_words(one.type)}, or declare {one.name} otherwise"


def _type_of(raw: str, fields: Mapping[str, Field], result: str | None) -> str | None:
    """Return the type of a text: that of the one value it consists of, or text."""
    if (path := whole_path(raw)) is None:
        return "text"
    if path == ["result"]:
        return result
    if path[0] in ("state", "input", "settings") and path[0] not in fields:
        path = path[1:]
    one = fields.get(path[0]) if path else None
    for part in path[1:]:
        one = one.fields.get(part) if one else None
    return one.type if one else None


def _fits(given: str, one: Field) -> bool:
    return one.type in (given, "any") or given == "any" or bool(one.merge) or (given, one.type) in _SAME
