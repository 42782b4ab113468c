"""Whatever passes the check compiles, and a run of it ends; whatever does not, is refused with a place."""

from __future__ import annotations

import asyncio

from hypothesis import event, given, settings
from hypothesis import strategies as st

from runtime.extensions.catalog import Catalog
from runtime.graphs.check import check_document
from runtime.graphs.file import GraphFile
from runtime.graphs.findings import Findings
from runtime.graphs.rehearse import rehearse
from runtime.toml import parse_toml

STEPS = ["a", "b", "c", "d", "e"]
HEAD = """
graph  = "any"
start  = "a"
output = ["n"]
limits = { max_steps = 60 }

[input]
items = "list"

[state]
n    = { type = "int", merge = "add", default = 0 }
last = { type = "any?", merge = "last" }
"""


def _way(key: str, value: str | None) -> str:
    return f'{key} = "{value}"' if value else ""


@st.composite
def graphs(draw: st.DrawFn) -> list[str]:
    """Return the tables of some steps; most of them lead on to the next one, or end."""
    names = STEPS[: draw(st.integers(1, len(STEPS)))]
    any_step = st.sampled_from([*names, "end"])

    inner = set[int]()

    def then(number: int) -> str | None:
        if number in inner:
            return None
        ahead = [name for each, name in enumerate(names) if each > number and each not in inner]
        return draw(st.one_of(st.just([*ahead, "end"][0]), st.just([*ahead, "end"][0]), any_step, st.none()))

    tables = []
    for number in range(len(names)):
        kinds = ["set", "set", "wait", "fail"] if number in inner else ["set", "map", "branch", "wait", "map"]
        kind = draw(st.sampled_from(kinds))
        match kind:
            case "set":
                table = "set = { n = 1 }"
            case "branch":
                condition = draw(st.sampled_from(["n > 3", "size(items) > 1", "n < 2"]))
                go, other = draw(any_step), then(number) or "end"
                bound = "max_loops = 2\n" if draw(st.booleans()) else ""
                table = f'{bound}when = [ {{ if = "{condition}", go = "{go}" }}, {{ else = "{other}" }} ]'
            case "map":
                name, do = draw(st.sampled_from("xy")), draw(any_step)
                if draw(st.integers(0, 4)) and number + 1 < len(names):
                    do = names[number + 1]
                    inner.add(number + 1)
                table = f'over = "items"\nas = "{name}"\ndo = "{do}"'
            case "wait":
                table = 'for = "1h"'
            case _:
                table = 'message = "It failed: {{ n }}"'
        next = _way("next", then(number)) if kind in ("set", "map", "wait") else ""
        tables.append(f'use = "{kind}"\n{table}\n{next}')
    return tables


def _check(tables: dict[str, str]) -> tuple[GraphFile, Findings]:
    text = HEAD + "".join(f"\n[node.{id}]\n{table}\n" for id, table in tables.items())
    file, findings = check_document(parse_toml(text.encode(), "any.toml"), "any", Catalog(), ())
    lines = text.count("\n") + 1
    assert all(1 <= finding.line <= lines and finding.col >= 1 for finding in findings.found)
    return file, findings


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_a_graph_that_passes_its_check_runs_to_an_end(drawn: list[str]) -> None:
    tables = dict(zip(STEPS, drawn, strict=False))
    file, findings = _check(tables)
    while lost := [each.message.split()[-1] for each in findings.found if each.code == "E12"]:
        tables = {id: table for id, table in tables.items() if id not in lost}
        file, findings = _check(tables)
    event("refused" if findings.errors else "a map" if "map" in "".join(tables.values()) else "no map")
    if findings.errors:
        return
    error = asyncio.run(rehearse(file, {"items": [1, 2]}, {})).error
    assert not error or error.startswith(("It failed: ", "The run took more steps than limits.max_steps"))
