"""The tests of a graph file run offline: mocks stand in for what a step would call, expectations are CEL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import InvalidInput
from runtime.graphs.decisions import Decision
from runtime.graphs.library import GraphLibrary
from runtime.graphs.rehearse import Report, Verdict, rehearse, try_out
from runtime.graphs.text_version import GraphVersion

HEAD = """graph  = "lead"
about  = "Scores a lead"
start  = "score"
output = ["route"]
limits = { max_steps = 12 }

[input]
lead = { type = "object", fields = { country = "text" } }

[settings]
hot = { type = "number", value = 0.8, min = 0, max = 1 }

[state]
score    = "number?"
route    = "text"
decision = "object?"

[node.score]
use       = "scorer.fit"
employees = 5
retry     = 3
save      = ["score"]
next      = "route"
on_error  = "route"

[node.route]
use       = "branch"
max_loops = 2
when = [
  { if = "score > hot && lead.country in ['US']", go = "ask" },
  { if = "score < 0.1", go = "score" },
  { else = "drop" },
]

[node.ask]
use     = "approve"
show    = ["score"]
choices = { yes = "sell", no = "drop" }
save    = "decision"

[node.sell]
use  = "set"
set  = { route = "sales" }
next = "end"

[node.drop]
use  = "set"
set  = { route = "drop" }
next = "end"
"""
LEAD = '{ lead = { country = "US" } }'
Spec = Callable[..., GraphVersion]


@pytest.fixture
def graph(library: Callable[..., GraphLibrary]) -> Spec:
    """Return the graph with these tests, checked."""

    def make(tests: str = "") -> GraphVersion:
        made = library(lead=HEAD + tests)
        assert made.findings() == []
        version = made.get("lead")
        assert isinstance(version, GraphVersion)
        return version

    return make


def case(expect: str, mock: str, more: str = "", name: str = "a case") -> str:
    """Return the text of a test."""
    return f'\n[[test]]\nname = "{name}"\ninput = {LEAD}\nmock = {mock}\nexpect = ["{expect}"]\n{more}'


async def report(graph: Spec, text: str) -> Report:
    return await try_out(graph(text).spec)


async def verdict(graph: Spec, text: str) -> Verdict:
    (found,) = (await report(graph, text)).verdicts
    return found


async def test_a_test_passes_when_all_that_it_expects_holds(graph: Spec) -> None:
    found = await verdict(graph, case("route == 'sales'", '{ score = { score = 0.9 }, ask = "yes" }'))
    assert found.failed == []
    assert found.rehearsed.steps == ["score", "route", "ask", "sell"]
    assert found.rehearsed.values["decision"] == {"choice": "yes", "note": ""}


async def test_a_test_that_fails_says_what_was_there_instead(graph: Spec) -> None:
    found = await verdict(graph, case("route == 'sales'", "{ score = { score = 0.5 } }"))
    assert found.failed == ["expected route == 'sales' is false (route is 'drop')"]


async def test_an_error_is_one_without_the_waits_of_its_retries(graph: Spec) -> None:
    """Three retries would wait 0.2, 0.4 and 0.8 seconds; a mock cannot be tried again."""
    found = await verdict(graph, case("!has(state.score) && route == 'drop'", '{ score = "error" }'))
    assert found.failed == []
    first = found.rehearsed.decisions[0]
    assert (first.key, first.go) == ("on error", "route")


async def test_a_person_may_leave_a_note(graph: Spec) -> None:
    mock = '{ score = { score = 0.9 }, ask = { choice = "no", note = "too small" } }'
    assert (await verdict(graph, case("decision.note == 'too small'", mock))).failed == []


async def test_a_test_may_have_settings_of_its_own(graph: Spec) -> None:
    mock = '{ score = { score = 0.5 }, ask = "no" }'
    found = await verdict(graph, case("decision.choice == 'no'", mock, "settings = { hot = 0.4 }\n"))
    assert found.failed == []
    assert "hot is 0.4" in found.rehearsed.decisions[0].why


async def test_a_result_of_the_wrong_type_fails_the_test(graph: Spec) -> None:
    given = {"lead": {"country": "US"}}
    rehearsed = await rehearse(graph().spec, given, {"score": {"score": "high"}})
    assert "what it saves as score is wrong" in rehearsed.decisions[0].why


async def test_the_end_of_a_run_that_failed_can_be_expected(
    graph: Spec, library: Callable[..., GraphLibrary]
) -> None:
    text = HEAD.replace('on_error  = "route"\n', "")
    expected = case("error.contains('The step score failed')", '{ score = "error" }')
    made = library(lead=text + expected + case("route == ''", '{ score = "error" }', name="not expected"))
    assert made.findings() == []
    version = made.get("lead")
    assert isinstance(version, GraphVersion)
    first, second = (await try_out(version.spec)).verdicts
    assert first.failed == []
    assert second.failed == ["the run ended with an error: The step score failed: its mock says so."]


async def test_a_loop_ends_where_its_branch_says(graph: Spec) -> None:
    found = await verdict(graph, case("route == 'drop'", "{ score = { score = 0.05 } }"))
    assert found.failed == []
    assert found.rehearsed.steps.count("score") == 3
    assert found.rehearsed.decisions[-1].why == "else, because the run was here 2 times before (max_loops)"


async def test_the_ways_that_no_test_took_are_named(graph: Spec) -> None:
    found = await report(
        graph,
        case("route == 'drop'", '{ score = "error" }')
        + case("true", '{ score = { score = 0.9 }, ask = "no" }', name="another"),
    )
    assert [(way.step, way.label, way.go) for way in found.untried] == [
        ("route", "if score < 0.1", "score"),
        ("ask", "yes", "sell"),
    ]
    assert len(found.ways) == 6


async def test_a_decision_is_explained_with_the_values_it_looked_at(graph: Spec) -> None:
    spec = graph().spec
    heard: list[Decision | str] = []
    given = {"lead": {"country": "US"}}
    await rehearse(spec, given, {"score": {"score": 0.9}, "ask": "yes"}, heard=heard.append)
    assert [one.why for one in heard if isinstance(one, Decision)] == [
        "score > hot && lead.country in ['US'] (score is 0.9, hot is 0.8, lead.country is 'US')",
        "yes was chosen",
    ]
    missing = await rehearse(spec, given, {"score": "error"})
    assert missing.decisions[-1].why == (
        "else, because score > hot && lead.country in ['US'] met a missing value (score is not set, "
        "hot is 0.8, lead.country is 'US'); score < 0.1 met a missing value (score is not set)"
    )
    assert len(missing.decisions[-1].missing) == 2


async def test_nothing_is_called_that_has_no_mock(graph: Spec) -> None:
    rehearsed = await rehearse(graph().spec, {"lead": {"country": "US"}}, {})
    assert "nothing stands in for scorer.fit; add score to the mocks" in rehearsed.decisions[0].why
    rehearsed = await rehearse(graph().spec, {"lead": {"country": "US"}}, {"score": {"score": 0.9}})
    assert rehearsed.error == "The step ask waits for a person; add ask to the mocks, with yes or no."


async def test_a_wrong_input_is_refused_as_in_a_run(graph: Spec) -> None:
    with pytest.raises(InvalidInput, match="has no input leed; did you mean lead"):
        await rehearse(graph().spec, {"leed": 1}, {})


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ('name = "a case"\n', "", "E04", "has no name"),
        ('name = "a case"', "name = 5", "E03", "name must be text"),
        ("input = {", "inptu = {", "E02", "did you mean input?"),
        ('country = "US"', 'country = "US" }, leed = { a = 1', "E08", "did you mean lead?"),
        ('country = "US"', "country = 5", "E03", "lead.country is no text; write text"),
        ('{ lead = { country = "US" } }', "{}", "E04", "does not give the input lead"),
        ('{ lead = { country = "US" } }', '"US"', "E03", "input must be a table"),
        ("mock = { score", "mock = { scor = 1, score", "E08", "did you mean score?"),
        ("mock = { score", "mock = { route = 1, score", "E03", "decides itself"),
        ("mock = { score", 'mock = { ask = "yess", score', "E05", "did you mean yes?"),
        ("mock = { score", 'mock = { ask = ["yes"], score', "E05", "ask has no choice"),
        ("mock = { score = { score = 0.5 } }", "", "E18", "add score to its mock"),
        ("mock = { score", "settings = { hto = 1 }\nmock = { score", "E08", "did you mean hot?"),
        ("mock = { score", "settings = { hot = 2 }\nmock = { score", "E03", "write at most 1"),
        ("expect = [\"route == 'drop'\"]", "", "E04", "expects nothing"),
        ("expect = [\"route == 'drop'\"]", 'expect = "route"', "E03", "a list of conditions"),
        ('expect = ["route ==', 'expect = ["rout ==', "E08", "did you mean route?"),
        ("expect = [\"route == 'drop'\"]", 'expect = ["route > 1"]', "E09", "text and a whole number"),
    ],
)
def test_what_is_wrong_with_a_test_is_found_before_it_runs(
    library: Callable[..., GraphLibrary], old: str, new: str, code: str, says: str
) -> None:
    text = case("route == 'drop'", "{ score = { score = 0.5 } }")
    assert old in text
    (found,) = library(lead=HEAD + text.replace(old, new)).findings()
    assert (found.code, says in str(found)) == (code, True), found
    assert found.line > HEAD.count("\n")


def test_a_test_that_covers_no_branch_is_found(library: Callable[..., GraphLibrary]) -> None:
    straight = HEAD.replace('next      = "route"', 'next      = "drop"').replace(
        'use       = "scorer', 'use = "scorer'
    )
    (found,) = library(lead=straight + case("route == 'drop'", "{ score = { score = 0.5 } }")).findings()
    assert (found.code, found.message) == ("E18", "the test covers no branch")


def test_two_tests_do_not_share_a_name(library: Callable[..., GraphLibrary]) -> None:
    text = case("route == 'drop'", '{ score = "error" }')
    (found,) = library(lead=HEAD + text + text).findings()
    assert (found.code, found.message) == ("E03", "another test is called a case")


COMPANY = '''"""What the examples of the design use."""

from typing import Any

from pydantic import BaseModel

from hubbub import hookimpl


class Tool:
    description = "what the company has"

    class Args(BaseModel):
        key: str = ""
        email: str = ""
        channel: str = ""
        text: str = ""

    def __init__(self, name):
        self.name = name

    async def run(self, args, ctx):
        return {}


@hookimpl
def register_tools():
    return [Tool("crm_lookup")]
'''
EXAMPLES = ("content_review", "lead_score", "rag_answer", "ticket_themes")


@pytest.mark.parametrize("name", EXAMPLES)
async def test_the_examples_of_the_design_have_no_mistakes_and_pass_their_tests(
    library: Callable[..., GraphLibrary], models: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "company.py").write_text(COMPANY)
    text = (models.parent / "graphs" / f"{name}.toml").read_text()
    # The workspace of the tests has one model.
    for theirs, ours in (('"judge"', '"writer"'), ('"cheap"', '"writer"')):
        text = text.replace(theirs, ours)
    made = library(**{name: text})
    assert made.findings() == []
    for verdict in (await try_out(version_of(made, name).spec)).verdicts:
        assert verdict.failed == []


def version_of(library: GraphLibrary, name: str) -> GraphVersion:
    version = library.get(name)
    assert isinstance(version, GraphVersion)
    return version
