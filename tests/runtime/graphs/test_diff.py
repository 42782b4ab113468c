"""Differences speak of meaning: what an analyst would say has changed."""

from __future__ import annotations

import tomllib

import pytest

from runtime.graphs.diff import differences


def said(before: str, after: str) -> list[str]:
    """Return what is said of two texts."""
    return [str(change) for change in differences(tomllib.loads(before), tomllib.loads(after))]


def test_comments_order_and_layout_are_no_change(good: str) -> None:
    assert said(good, good) == []
    moved = good.replace("[settings]", "# tuned in May\n\n\n[settings]").replace('start  = "ask"\n', "")
    assert said(good, moved.replace("output =", 'start="ask"\noutput =', 1)) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("value = 0.8", "value = 0.9", "setting hot: 0.8 -> 0.9"),
        ("max = 1 }", "max = 2 }", "setting hot, max: 1 -> 2"),
        ("max_steps = 12", "max_steps = 20", "limit max_steps: 12 -> 20"),
        (', timeout = "5s"', "", "limit timeout removed"),
        ("score > hot", "score >= hot", 'step decide, way 1, condition: "score > hot" -> "score >= hot"'),
        ('go = "mark"', 'go = "ask"', 'step decide, way 1, goes to: "mark" -> "ask"'),
        ("max_loops = 2", "max_loops = 3", "step decide, max_loops: 2 -> 3"),
        ('next   = "decide"', 'next   = "end"', 'step ask, next: "decide" -> "end"'),
        ('model  = "writer"', 'model  = "judge"', 'step ask, model: "writer" -> "judge"'),
        ("Asks, decides", "Asks and decides", None),
        ('score  = "number?"', 'score  = "int?"', 'state score: "number?" -> "int?"'),
        ('score  = "number?"\n', "", "state score removed"),
        ('question = "text"', 'question = "text"\nlanguage = "text?"', "input language added"),
        ('output = ["answer"]', 'output = ["answer", "score"]', 'output: ["answer"] -> ["answer", "score"]'),
        ('use  = "set"', 'use  = "step.tag"', 'step mark: "set" -> "step.tag"'),
    ],
)
def test_each_change_is_one_sentence(good: str, old: str, new: str, told: str | None) -> None:
    assert old in good
    (change,) = said(good, good.replace(old, new, 1))
    if told is not None:
        assert change == told


def test_a_prompt_is_compared_line_by_line_and_not_by_its_layout(good: str) -> None:
    asks = "Answer {{ question }}"
    one = good.replace(asks, f"{asks}\nin one short sentence, please")
    two = good.replace(asks, f"{asks}\nin two short sentences, please")
    (change,) = differences(tomllib.loads(one), tomllib.loads(two))
    assert str(change) == "step ask, prompt changed"
    assert change.lines == ("- in one short sentence, please", "+ in two short sentences, please")
    long = good.replace("Answer {{", "Answer in one short sentence, with the name of the customer, {{")
    assert said(long, long.replace("one short", "one\n   short")) == []


def test_a_renamed_step_is_found_with_all_that_leads_to_it(good: str) -> None:
    renamed = good.replace('"decide"', '"choose"').replace("[node.decide]", "[node.choose]")
    assert said(good, renamed) == ["step decide renamed to choose"]
    edited = renamed.replace("score > hot", "score > 0.5")
    assert said(good, edited) == [
        "step decide renamed to choose",
        'step choose, way 1, condition: "score > hot" -> "score > 0.5"',
    ]


def test_two_renamed_steps_are_told_apart_by_what_they_do() -> None:
    text = """
graph = "g"
start = "one"
[node.one]
use = "llm"
prompt = "Summarise the letter of the customer"
next = "two"
[node.two]
use = "llm"
prompt = "Find the order numbers in the text"
next = "end"
"""
    new = text.replace("one", "letter").replace("two", "orders")
    assert sorted(said(text, new)) == ["step one renamed to letter", "step two renamed to orders"]


def test_steps_come_and_go(good: str) -> None:
    more = good + '\n[node.other]\nuse = "llm"\nmodel = "writer"\nprompt = "x"\nnext = "end"\n'
    assert said(good, more) == ["step other added"]
    assert said(more, good) == ["step other removed"]


def test_a_way_that_was_added_is_not_a_change_of_the_others(good: str) -> None:
    more = good.replace("when = [\n", 'when = [\n  { if = "score < 0.1", go = "end" },\n')
    assert said(good, more) == ["step decide, way score < 0.1 -> end added"]
    assert said(more, good) == ["step decide, way score < 0.1 -> end removed"]


def test_tests_are_named(good: str) -> None:
    test = '\n[[test]]\nname = "cold"\ninput = { question = "x" }\n'
    assert said(good, good + test) == ["test cold added"]
    assert said(good + test, good + test.replace('"x"', '"y"')) == ["test cold changed"]


def test_a_file_that_was_written_anew_takes_no_time_to_compare(good: str) -> None:
    """Two thousand steps each, none of which is in the other."""

    def text(prefix: str) -> dict[str, object]:
        steps = {f"{prefix}{i}": {"use": "llm", "prompt": prefix * 50, "next": "end"} for i in range(2000)}
        return {"graph": "g", "start": f"{prefix}0", "node": steps}

    assert len(differences(text("a"), text("b"))) == 4001
