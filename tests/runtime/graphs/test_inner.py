"""What is wrong with a step that runs another graph is found before a run, at its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary

INNER = """
graph  = "inner"
start  = "say"
output = ["said"]

[input]
topic = "text"
tone  = { type = "text", default = "kind", one_of = ["kind", "curt"] }

[state]
said = "text"

[node.say]
use  = "set"
set  = { said = "{{ topic }}" }
next = "end"
"""

GRAPH = """
graph  = "good"
start  = "ask"
output = ["said"]

[input]
question = "text"

[state]
said = "text"

[node.ask]
use   = "graph"
graph = "inner"
input = { topic = "{{ question }}", tone = "curt" }
save  = ["said"]
next  = "end"
"""

Make = Callable[..., GraphLibrary]


def test_a_graph_that_runs_another_one_has_no_mistake(library: Make) -> None:
    assert library(good=GRAPH, inner=INNER).findings() == []


@pytest.mark.parametrize(
    ("before", "after", "code", "line", "told"),
    [
        ('graph = "inner"', 'graph = "iner"', "E21", '"iner"', "there is no graph iner; did you mean inner?"),
        ('graph = "inner"', 'graph = "good"', "E21", 'graph = "good"', "the graph good would contain itself"),
        ('graph = "inner"\n', "", "E04", "[node.ask]", "the step ask needs graph, the name of a graph"),
        ("{ topic =", "{ topc =", "E08", "topc", "inner has no input topc; did you mean topic?"),
        ('topic = "{{ question }}", ', "", "E04", "input =", "inner needs the input topic; add topic = …"),
        ('tone = "curt"', 'tone = "loud"', "E03", '"loud"', "the input tone is wrong"),
        ('["said"]\nnext', '["sad"]\nnext', "E08", '["sad"]', "inner has no output sad; did you mean said?"),
        ("{{ question }}", "{{ qestion }}", "E08", "{{ qestion", "did you mean question?"),
        (
            'tone = "curt"',
            'tone = "secret:TONE"',
            "E03",
            '"secret:',
            "inner would keep the secret TONE in its",
        ),
        ('save  = ["said"]', "retry = 2", "E02", "retry", "a graph step has no retry"),
    ],
)
def test_mistakes_are_found_where_they_are(
    library: Make, before: str, after: str, code: str, line: str, told: str
) -> None:
    text = GRAPH.replace(before, after)
    found: list[Finding] = [
        each for each in library(good=text, inner=INNER).findings() if "good" in each.file
    ]
    first = next(each for each in found if each.code == code)
    assert told in f"{first.message}; {first.help}"
    assert line in text.splitlines()[first.line - 1]


def test_graphs_that_contain_each_other_are_refused_in_both(library: Make) -> None:
    around = INNER.replace('use  = "set"', 'use = "graph"').replace(
        'set  = { said = "{{ topic }}" }',
        'graph = "good"\ninput = { question = "{{ topic }}" }\nsave = ["said"]',
    )
    found = library(good=GRAPH, inner=around).findings()
    assert {finding.file for finding in found} == {"graphs/good.toml", "graphs/inner.toml"}
    assert any("would contain itself" in finding.message for finding in found)


def test_the_version_of_a_graph_is_also_that_of_the_graphs_inside(library: Make) -> None:
    before = library(good=GRAPH, inner=INNER).get("good").version
    assert library(inner=INNER.replace("{{ topic }}", "{{ topic }}!")).get("good").version != before
