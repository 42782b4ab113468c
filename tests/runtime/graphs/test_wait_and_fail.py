"""A run lets time pass, or ends with a sentence of its graph's author."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from runtime.errors import InvalidInput, StepFailed
from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary
from runtime.graphs.rehearse import rehearse
from runtime.graphs.waiting import moment, until
from tests.runtime.graphs.test_runs import Lab

GRAPH = """
graph  = "good"
start  = "pause"
output = ["answer"]

[input]
question = "text"
pause    = { type = "text", default = "1ms" }

[state]
answer = "text"

[node.pause]
use  = "wait"
for  = "{{ pause }}"
next = "ways"

[node.ways]
use  = "branch"
when = [ { if = "question == 'why'", go = "sorry" }, { else = "done" } ]

[node.done]
use  = "set"
set  = { answer = "done" }
next = "end"

[node.sorry]
use     = "fail"
message = "Nobody knows {{ question }}; ask something else."
"""

Make = Callable[..., GraphLibrary]


async def test_a_run_fails_with_the_sentence_of_its_graph(library: Make) -> None:
    with pytest.raises(StepFailed) as failed:
        await Lab(library(good=GRAPH)).run()
    assert str(failed.value) == "Nobody knows why; ask something else."
    assert (failed.value.step, failed.value.cause_code) == ("sorry", "failed")


async def test_a_run_goes_on_when_its_wait_is_over(library: Make) -> None:
    assert (await Lab(library(good=GRAPH)).start({"question": "how"}))["answer"] == "done"


async def test_a_wait_that_says_no_time_fails_with_a_sentence(library: Make) -> None:
    with pytest.raises(InvalidInput, match="'soon' is no duration; write"):
        await Lab(library(good=GRAPH)).start({"question": "how", "pause": "soon"})


async def test_a_rehearsal_waits_for_nothing(library: Make) -> None:
    version = library(good=GRAPH).get("good")
    rehearsed = await rehearse(version.spec, {"question": "how", "pause": "30d"}, {})  # type: ignore[attr-defined]
    assert rehearsed.values["answer"] == "done"


def test_a_wait_ends_at_a_moment_or_after_a_while() -> None:
    assert until({"for": "2h"}, 100.0) == 7300.0
    assert until({"for": 90}, 100.0) == 190.0
    assert moment("1970-01-02T00:00:00") == moment("1970-01-02T01:00:00+01:00") == 86400.0
    assert until({"until": "2000-01-01"}, time.time()) < time.time()


@pytest.mark.parametrize(
    ("before", "after", "code", "line", "told"),
    [
        ('for  = "{{ pause }}"', "", "E04", "[node.pause]", "must say how long it waits"),
        ('for  = "{{ pause }}"', 'for  = "soon"', "E03", 'for  = "soon"', "is no duration"),
        ('for  = "{{ pause }}"', 'until = "noon"', "E03", 'until = "noon"', "is no time"),
        ('for  = "{{ pause }}"', 'for = "{{ paus }}"', "E08", "{{ paus }}", "did you mean pause?"),
        ('for  = "{{ pause }}"', 'four = "1s"\nfor="1s"', "E02", "four", "did you mean for?"),
        ("message =", "mesage =", "E02", "mesage", "did you mean message?"),
        ("{{ question }};", "{{ qestion }};", "E08", "{{ qestion", "did you mean question?"),
    ],
)
def test_mistakes_are_found_where_they_are(
    library: Make, before: str, after: str, code: str, line: str, told: str
) -> None:
    text = GRAPH.replace(before, after)
    found: list[Finding] = library(good=text).findings()
    first = next(each for each in found if each.code == code)
    assert told in f"{first.message}; {first.help}"
    assert line in text.splitlines()[first.line - 1]


def test_a_way_that_fails_sets_no_output_and_ends_a_loop(library: Make) -> None:
    assert library(good=GRAPH).findings() == []
