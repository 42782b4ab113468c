"""Each mistake an analyst can make is found before a run, at its place, with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.graphs.findings import Finding

Check = Callable[[str], list[Finding]]

SCORE = '[node.mark]\nuse = "scorer.fit"\nemployees = 5\nbig = 10\nsave = ["score"]\nnext = "end"\n'
MISTAKES = [
    # what is written instead, where it is found (line, column of the change), what is said
    ('graph  = "good"', 'graph  = "god"', "E03", "give both the same name"),
    ('about  = "Asks', 'abuot  = "Asks', "E02", "did you mean about?"),
    ('start  = "ask"', 'start  = "aks"', "E05", "did you mean ask?"),
    ('start  = "ask"\n', "", "E04", 'add start = "…" at its top'),
    ('output = ["answer"]', 'output = ["anser"]', "E08", "did you mean answer?"),
    ("max_steps = 12", 'max_steps = "12"', "E03", "a whole number"),
    ("max_steps = 12", "max_step = 12", "E02", "did you mean max_steps?"),
    ('timeout = "5s"', 'timeout = "5"', "E03", "a duration"),
    ('question = "text"', 'question = "string"', "E03", "there is no type string"),
    ('question = "text"', 'end = "text"', "E03", "has a meaning of its own"),
    ('merge = "append"', 'merge = "apend"', "E03", "did you mean append?"),
    ('use    = "llm"', 'use    = "lmm"', "E06", "did you mean llm?"),
    ('use    = "llm"', 'use    = "agent"', "E07", "agent needs the parameter tools"),
    ('use    = "llm"', 'use    = "agent"\ntools = ["sqll"]', "E06", "there is no tool.sqll"),
    ('use    = "llm"', 'use    = "agent"\ntools = [{ use = "scorer.fit" }]', "E06", "there is no scorer.fit"),
    ('use    = "llm"', 'use    = "agent"\ntools = [{ us = "sql" }]', "E07", "tools.0.use is missing"),
    ('use    = "llm"', 'use    = "agent"\ntools = [{ use = "sql", quer = 1 }]', "E07", "did you mean query?"),
    ('use    = "llm"', 'use    = "agent"\ntools = "sql"', "E07", "tools is no list"),
    ('model  = "writer"', 'model  = "writr"', "E14", "did you mean writer?"),
    ('model  = "writer"\n', "", "E07", "llm needs the parameter model"),
    ('model  = "writer"', 'model  = "writer"\nprompts = "x"', "E07", "did you mean prompt?"),
    ('model  = "writer"', 'model  = "writer"\ntemperature = 9', "E07", "write at most 2"),
    ("{{ question }}", "{{ qestion }}", "E08", "did you mean question?"),
    ("{{ lead.email }}", "{{ lead.emial }}", "E08", "did you mean email?"),
    ("{{ question }}", "{{ question", "E10", "this text is no template"),
    ("{{ question }}", "{{ question | shout }}", "E10", "there is no filter shout"),
    ("{{ question }}", "{% include 'x' %}", "E10", "unexpected tag"),
    ('save   = "answer"', 'save   = "answr"', "E08", "did you mean answer?"),
    ('save   = "answer"', "save   = 5", "E03", "save must be"),
    ('next   = "decide"', 'next   = "decied"', "E05", "did you mean decide?"),
    ('next   = "decide"\n', "", "E04", 'add next = "end"'),
    ('if = "score > hot"', 'if = "scor > hot"', "E08", "did you mean score?"),
    ('if = "score > hot"', 'if = "hot = 1"', "E09", "write == to compare"),
    ('if = "score > hot"', 'if = "hot > 0 and hot < 1"', "E09", "write && for 'and'"),
    ('if = "score > hot"', 'if = "question > 1"', "E09", "text and a whole number"),
    ('if = "score > hot"', 'if = "hot"', "E09", "not a condition"),
    ('if = "score > hot"', f'if = "score > {"1" * 500}"', "E09", "at most 400 characters"),
    ('{ else = "end" },', "", "E04", "has no else"),
    ('{ else = "end" },', '{ else = "mark" },', "E13", "no way leads from"),
    ("max_loops = 2", "max_loops = 0", "E03", "from 1 to"),
    ('{ tags = "hot" }', '{ tgas = "hot" }', "E08", "did you mean tags?"),
    ('next = "decide"\n', 'next = "decide"\nretry = 1000\n', "E03", "from 0 to 20"),
    ('next = "decide"\n', 'next = "decide"\nguard = ["pii"]\n', "E02", "set has no guard"),
    ('answer = "text"', "", "E08", "is not declared"),
    (
        'model  = "writer"',
        'model  = "writer"\nsystem = "sk-abcdefghijklmnop1234"',
        "E15",
        "write secret:NAME",
    ),
    (
        'next = "decide"\n',
        'next = "decide"\n[node.lost]\nuse = "set"\nset = { score = 1 }\nnext = "end"\n',
        "E12",
        "lost",
    ),
    ('about  = "Asks', 'about: "Asks', "E01", "="),
]


def test_a_good_graph_has_no_findings(check: Check, good: str) -> None:
    assert check(good) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "said"), MISTAKES, ids=[f"{m[2]} {m[1][:30]}" for m in MISTAKES]
)
def test_a_mistake_is_found_at_its_line_with_a_remedy(
    check: Check, good: str, old: str, new: str, code: str, said: str
) -> None:
    assert old in good
    found = [finding for finding in check(good.replace(old, new, 1)) if finding.code == code]
    assert found, check(good.replace(old, new, 1))
    assert any(said in str(finding) for finding in found), found
    assert all(finding.line >= 1 and finding.col >= 1 for finding in found)


def test_the_place_is_that_of_the_name_inside_a_long_text(check: Check, good: str) -> None:
    (found,) = check(good.replace("{{ lead.email }}", "{{ lead.emial }}"))
    line = next(n for n, text in enumerate(good.splitlines(), 1) if "lead.email" in text)
    assert (found.line, found.col) == (line, len("for {{ ") + 1)


def test_the_place_is_that_of_the_name_inside_a_condition(check: Check, good: str) -> None:
    (found,) = check(good.replace('if = "score > hot"', 'if = "score > hott"'))
    assert found.col == len('  { if = "score > ') + 1


def test_an_output_that_one_way_does_not_set_is_found(check: Check, good: str) -> None:
    text = good.replace('output = ["answer"]', 'output = ["answer", "kind"]').replace(
        'score  = "number?"', 'score  = "number?"\nkind = "text"'
    )
    marked = text.replace('{ tags = "hot" }', '{ tags = "hot", kind = "x" }')
    assert [finding.code for finding in check(marked)] == ["E11"]
    assert check(marked.replace('kind = "text"', 'kind = "text?"')) == []


def test_an_answer_that_goes_nowhere_is_a_warning_and_the_graph_runs(
    library: Callable[..., object], good: str
) -> None:
    text = good.replace('save   = "answer"\n', "").replace('answer = "text"', 'answer = "text?"')
    made = library(good=text)
    assert [finding.code for finding in made.findings()] == ["W01"]  # type: ignore[attr-defined]
    assert made.names() == ["good"]  # type: ignore[attr-defined]


def test_parameters_of_a_plugin_are_checked_against_its_own_model(check: Check, good: str) -> None:
    scored = good.replace('[node.mark]\nuse  = "set"\nset  = { tags = "hot" }\nnext = "decide"\n', SCORE)
    assert check(scored) == []
    (wrong,) = check(scored.replace("big = 10", "big = 0"))
    assert (wrong.code, "write at least 1" in wrong.help) == ("E07", True)
    (unknown,) = check(scored.replace("scorer.fit", "scorer.fitt"))
    assert (unknown.code, unknown.help) == ("E06", "did you mean scorer.fit?")


def test_a_bare_name_of_a_state_field_is_checked(check: Check, good: str) -> None:
    step = '[node.mark]\nuse = "step.join"\ntext = "a"\nof = "tgas"\nsave = ["answer"]\nnext = "end"\n'
    text = good.replace('[node.mark]\nuse  = "set"\nset  = { tags = "hot" }\nnext = "decide"\n', step)
    (found,) = check(text)
    assert (found.code, found.help) == ("E08", "did you mean tags?")


def test_a_pasted_secret_is_never_printed(check: Check, good: str) -> None:
    secret = "sk-abcdefghijklmnop1234"
    found = check(good.replace('model  = "writer"', f'model  = "writer"\nsystem = "{secret}"'))
    assert found
    assert secret not in "".join(map(str, found))


def test_all_root_causes_are_found_in_one_pass(check: Check, good: str) -> None:
    text = (
        good.replace("{{ question }}", "{{ qestion }}")
        .replace('"writer"', '"writr"')
        .replace('hot"', 'hto"', 1)
    )
    assert {finding.code for finding in check(text)} >= {"E08", "E14"}


def test_the_tests_of_a_graph_name_what_there_is(check: Check, good: str) -> None:
    test = (
        '\n[[test]]\nname = "x"\ninput = { qestion = "a" }\nmock = { aks = 1 }\nexpect = ["answr == \'a\'"]\n'
    )
    assert [finding.help for finding in check(good + test)] == [
        "did you mean question?",
        "did you mean ask?",
        "did you mean answer?",
    ]


def test_the_example_graphs_that_this_version_runs_have_no_mistakes(
    library: Callable[..., object], models: Path
) -> None:
    """The design's own example: only its collection and sentences differ from our `ask`."""
    text = (models.parent / "graphs" / "rag_answer.toml").read_text()
    made = library(rag_answer=text)
    assert made.findings() == []  # type: ignore[attr-defined]


APPROVAL = """
[node.mark]
use     = "approve"
show    = ["answer"]
choices = { yes = "end", no = "ask" }
wait    = { at_most = "48h", then = "no" }
save    = "decision"
"""


def approving(good: str) -> str:
    """Return the good graph with an approval where it marks."""
    head = good.partition("[node.mark]")[0].replace(
        'score  = "number?"', 'score = "number?"\ndecision = "object?"'
    )
    return head + APPROVAL.lstrip()


def test_an_approval_passes(check: Check, good: str) -> None:
    assert check(approving(good)) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ('"end", no', '"ned", no', "E05", "did you mean end?"),
        ('then = "no"', 'then = "nope"', "E05", "did you mean no?"),
        ('show    = ["answer"]', 'show    = ["anwser"]', "E08", "did you mean answer?"),
        ('show    = ["answer"]', 'show    = "answer"', "E03", "a list of names"),
        ('"48h"', '"48"', "E03", "a duration"),
        ('choices = { yes = "end", no = "ask" }\n', "", "E04", "needs its choices"),
        ('wait    = { at_most = "48h", then = "no" }', 'wait    = "48h"', "E03", "which choice is made then"),
        ('save    = "decision"', 'next    = "end"', "E02", "an approval has no next"),
        ('save    = "decision"', 'save    = "decison"', "E08", "did you mean decision?"),
    ],
)
def test_what_is_wrong_with_an_approval_is_named(
    check: Check, good: str, old: str, new: str, code: str, says: str
) -> None:
    text = approving(good)
    assert old in text
    (finding,) = check(text.replace(old, new))
    assert finding.code == code
    assert says in str(finding)
