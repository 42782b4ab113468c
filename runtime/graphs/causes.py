"""One finding for each cause: what only follows from another mistake is left out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from runtime.graphs.file import END, GraphFile, Node
from runtime.graphs.findings import Finding, Findings, Note, alike

_WAYS = frozenset({"use", "next", "on_error", "when", "choices", "wait", "do", "undo"})
_ABOUT_WAYS = frozenset({"E03", "E04", "E05"})


def leave_causes(findings: Findings, file: GraphFile) -> None:
    """Leave out what follows from another finding, and say once what is the same in several places."""
    if findings.full:
        findings.add_key("W02", "there are more mistakes than are shown", help="mend these first")
    if not file.document.data:
        findings.found.clear()
        help = 'begin with graph = "NAME", start = "STEP" and output = ["FIELD"]'
        findings.add_key("E04", "the file says nothing", help=help)
    findings.found = [finding for finding in findings.found if not _follows(finding, findings, file)]
    _join(findings, "E08", {"input": file.input, "state": file.state, "settings": file.setting_fields})
    _join(findings, "E05", {"node": file.nodes})


def as_it_was_meant(findings: Findings, file: GraphFile) -> GraphFile | None:
    """Return the graph with misspelt steps as those that were probably meant; None while that is unclear."""
    for finding in findings.found:
        path = findings.notes[finding].path
        if finding.code not in _ABOUT_WAYS or not path or path[0] not in ("start", "node"):
            continue
        guessed = finding.code == "E05" and finding.help.startswith("did you mean")
        if not guessed and (path[0] == "start" or len(path) == 2 or path[2] in _WAYS):
            return None
    if not file.start or len(file.nodes) != len(file.document.data.get("node", {})):
        return None
    known = {*file.nodes, END}

    def meant(step: str) -> str:
        return step if step in known else alike(step, known)

    return replace(
        file,
        start=meant(file.start),
        nodes={id: _meant(node, meant, known) for id, node in file.nodes.items()},
    )


def _meant(node: Node, meant: Callable[[str], str], known: Collection[str]) -> Node:
    approval, each = node.approval, node.each
    return replace(
        node,
        next=meant(node.next),
        on_error=meant(node.on_error) if node.on_error else None,
        undo=node.undo if node.undo in known else None,
        ways=tuple(replace(way, go=meant(way.go)) for way in node.ways),
        approval=approval
        and replace(approval, choices={choice: meant(step) for choice, step in approval.choices.items()}),
        each=each and replace(each, do=meant(each.do)),
    )


def _follows(finding: Finding, findings: Findings, file: GraphFile) -> bool:
    """Whether a finding would go away if another one were mended."""
    note = findings.notes[finding]
    others = [(other, findings.notes[other]) for other in findings.found if other is not finding]
    if finding.code == "E11":
        return any(_misses_writing(note.name, other, about) for other, about in others)
    if finding.code == "E03":  # a key in the wrong table is no field with a wrong type
        return any(other.code == "E04" and about.path == note.path for other, about in others)
    if note.lacks and any(_misspells(note, other, about) for other, about in others):
        return True
    if note.lacks == "next" or finding.code == "E08":
        return any(_misses_items(note, about, file) for _, about in others)
    return False


def _misspells(missing: Note, other: Finding, about: Note) -> bool:
    """Whether the key that is missing, or what its step uses, is only misspelt."""
    if about.path[:-1] != missing.path:
        return False
    if other.code == "E06":
        return about.path[-1] == "use"
    return other.code in ("E02", "E07") and alike(str(about.path[-1]), [missing.lacks]) != ""


def _misses_writing(name: str, other: Finding, about: Note) -> bool:
    """Whether a field stays unset because a step writes it under another name, or into the wrong field."""
    if about.path[:1] != ("node",) or about.path[2:3] not in (("save",), ("set",)):
        return False
    return other.help == f"did you mean {name}?" or other.code == "E03"


def _misses_items(note: Note, about: Note, file: GraphFile) -> bool:
    """Whether a step is not known to be done for an item only because the map does not name it."""
    if about.path[:1] != ("node",) or not (about.lacks == "do" or about.path[2:3] == ("do",)):
        return False
    map = file.nodes.get(str(about.path[1]))
    return note.lacks == "next" or bool(map and map.each and note.name == map.each.name)


def _join(findings: Findings, code: str, declared: Mapping[str, Mapping[str, object]]) -> None:
    """Say once what is not there and is named in several places.

    When nothing uses what it is alike, that one is misspelt: the declaration, or the step's own name.
    """
    named: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings.found:
        if finding.code == code and (name := findings.notes[finding].name):
            named[name].append(finding)
    for name, several in named.items():
        if len(several) < 2:
            continue
        several.sort()
        for finding in several:
            findings.found.remove(finding)
        first, lines = several[0], [str(line) for line in dict.fromkeys(each.line for each in several)]
        if place := _unused(name, findings, declared):
            table, unused = place
            message = f"nothing uses {unused}, and {name} is not there (lines {', '.join(lines)})"
            findings.add_key(code, message, table, unused, help=f"did you mean {name}?")
        else:
            also = f" (lines {', '.join(lines)})" if len(lines) > 1 else ""
            message = f"{first.message}{also}"
            joined = replace(first, message=message)
            findings.notes[joined] = findings.notes[first]
            findings.found.append(joined)


def _unused(
    name: str, findings: Findings, declared: Mapping[str, Mapping[str, object]]
) -> tuple[str, str] | None:
    for table, names in declared.items():
        found = alike(name, names)
        if found and len(re.findall(rf"\b{re.escape(found)}\b", findings.document.text)) == 1:
            return table, found
    return None
