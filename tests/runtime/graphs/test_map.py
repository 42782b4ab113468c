"""A map does its steps once for each item: in order, so many at once, whatever becomes of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from runtime.errors import StepFailed
from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary
from runtime.graphs.rehearse import rehearse
from tests.runtime.graphs.test_runs import Lab

PLUGIN = '''"""A step that reads an item, and knows how many are read at once."""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl

seen, open, most = [], 0, 0


class Read:
    name = "read"

    class Params(BaseModel):
        item: object
        text: str = ""

    async def run(self, state, params, ctx):
        global open, most
        open += 1
        most = max(most, open)
        # The later an item comes, the earlier it is done.
        await asyncio.sleep(0.02 / (1 + len(seen)))
        open -= 1
        seen.append(params.item)
        if params.item == "bad":
            raise RuntimeError("it cannot be read")
        return [f"{params.item}{params.text}"]


@hookimpl
def register_steps():
    return [Read()]
'''

HEAD = """
graph  = "good"
start  = "each"
output = ["themes", "failed"]

[input]
batches = "list"
mark    = { type = "text", default = "!" }

[state]
themes = { type = "list", merge = "append" }
failed = { type = "int", merge = "add", default = 0 }
done   = { type = "text?" }

[node.each]
use          = "map"
over         = "batches"
as           = "batch"
do           = "read"
max_parallel = 3
next         = "end"

[node.read]
use  = "step.read"
item = "{{ batch }}"
text = "{{ mark }}"
save = "themes"
"""

SKIP = """on_error = "skip"

[node.skip]
use = "set"
set = { failed = 1 }
"""

Make = Callable[[str], Lab]
THREAD: RunnableConfig = {"configurable": {"thread_id": "t"}}


@pytest.fixture
def lab(library: Callable[..., GraphLibrary], tmp_path: Path) -> Make:
    """Return a lab for a graph with a map."""

    def make(text: str) -> Lab:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins" / "things.py").write_text(PLUGIN)
        made = library(good=text)
        assert [str(finding) for finding in made.findings()] == []
        return Lab(made)

    return make


@pytest.fixture
def found(library: Callable[..., GraphLibrary], tmp_path: Path) -> Callable[[str], list[Finding]]:
    """Return what the check finds in a graph with a map."""

    def check(text: str) -> list[Finding]:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins" / "things.py").write_text(PLUGIN)
        return library(good=text).findings()

    return check


def _module(lab: Lab) -> Any:
    import sys

    found = lab.library._catalog().get("step", "read")
    assert found
    return sys.modules[found.plugin.module]


async def test_every_item_is_done_and_the_order_is_that_of_the_list(lab: Make) -> None:
    made = lab(HEAD)
    found = await made.start({"batches": ["a", "b", "c", "d", "e"]})
    assert found["themes"] == ["a!", "b!", "c!", "d!", "e!"]
    assert _module(made).most == 3


async def test_what_follows_a_map_runs_once_and_sees_everything(lab: Make) -> None:
    made = lab(
        HEAD.replace('"end"', '"report"', 1)
        + SKIP
        + """
[node.report]
use  = "set"
set  = { done = "{{ themes | size }} of {{ batches | size }}" }
next = "end"
"""
    )
    found = await made.start({"batches": ["a", "bad", "c"]})
    assert (found["done"], found["failed"]) == ("2 of 3", 1)
    assert [step for update in made.updates for step in update].count("report") == 1


async def test_one_item_that_fails_does_not_fail_the_rest_where_on_error_says_so(lab: Make) -> None:
    found = await lab(HEAD + SKIP).start({"batches": ["a", "bad", "c", "bad"]})
    assert (found["themes"], found["failed"]) == (["a!", "c!"], 2)


async def test_without_on_error_an_item_that_fails_ends_the_run_and_names_its_step(lab: Make) -> None:
    with pytest.raises(StepFailed, match=r"The step read failed: .*it cannot be read"):
        await lab(HEAD).start({"batches": ["a", "bad", "c"]})


async def test_a_map_itself_may_go_on_after_an_item_that_failed(lab: Make) -> None:
    made = lab(
        HEAD.replace('next         = "end"', 'next = "end"\non_error = "sorry"')
        + """
[node.sorry]
use  = "set"
set  = { done = "not all could be read" }
next = "end"
"""
    )
    assert (await made.start({"batches": ["a", "bad"]}))["done"] == "not all could be read"


async def test_a_map_in_a_loop_does_its_items_each_time_it_is_entered(lab: Make) -> None:
    made = lab(
        HEAD.replace('"end"', '"again"', 1)
        + """
[node.again]
use       = "branch"
max_loops = 2
when      = [ { if = "size(themes) < 100", go = "each" }, { else = "end" } ]
"""
    )
    found = await made.start({"batches": ["a", None]}, InMemorySaver())
    assert found["themes"] == ["a!", "None!"] * 3


async def test_a_list_without_items_goes_straight_on(lab: Make) -> None:
    assert (await lab(HEAD).start({"batches": []}))["themes"] == []


async def test_too_many_items_are_refused_before_the_first_one_is_done(lab: Make) -> None:
    made = lab(HEAD)
    with pytest.raises(StepFailed, match="batches has 100,000 items and a map takes at most 10,000; put"):
        await made.start({"batches": [1] * 100_000})
    assert _module(made).seen == []


async def test_an_item_may_take_several_steps_with_loops_and_values_of_its_own(lab: Make) -> None:
    made = lab(
        HEAD.replace('done   = { type = "text?" }', 'done = { type = "text?", merge = "last" }')
        + """
next = "note"

[node.note]
use  = "set"
set  = { done = "{{ done }}{{ batch }}" }
next = "again"

[node.again]
use       = "branch"
max_loops = 2
when      = [ { if = "batch == 'b'", go = "note" }, { else = "keep" } ]

[node.keep]
use = "set"
set = { themes = "{{ done }} after {{ themes | join }}" }
"""
    )
    found = await made.start({"batches": ["a", "b"]})
    assert found["themes"] == ["a!", "a after a!", "b!", "bbb after b!"]
    assert found["done"] == "bbb"


async def test_a_map_inside_a_map_reads_both_items(lab: Make) -> None:
    made = lab(
        HEAD.replace('do           = "read"', 'do = "rows"').replace(
            "{{ batch }}", "{{ batch.name }}{{ row }}"
        )
        + """
[node.rows]
use  = "map"
over = "batch.rows"
as   = "row"
do   = "read"
"""
    )
    rows = [{"name": "a", "rows": [1, 2]}, {"name": "b", "rows": [3]}]
    assert (await made.start({"batches": rows}))["themes"] == ["a1!", "a2!", "b3!"]


async def test_an_item_is_told_of_by_what_it_has_gathered_and_not_by_all_that_it_reads(lab: Make) -> None:
    made = lab(HEAD.replace('mark    = { type = "text", default = "!" }', 'mark = "text"'))
    version, told = made.version, list[Any]()
    given = version.initial({"batches": ["a"], "mark": "long" * 1000})
    stream = version.compiled(None).astream(
        given, context=made.scope("r1"), stream_mode="values", subgraphs=True
    )
    async for namespace, values in stream:
        if namespace:
            told.append(values)
    assert told[-1] == {"themes": ["a" + "long" * 1000], "failed": 0}
    assert all(set(values) <= {"themes", "failed"} for values in told)


async def test_items_that_ask_people_are_asked_together_and_answered_one_by_one(lab: Make) -> None:
    made = lab(
        HEAD
        + """
next = "sure"

[node.sure]
use     = "approve"
show    = ["batch"]
choices = { yes = "yes", no = "end" }

[node.yes]
use = "set"
set = { failed = 1 }
"""
    )
    saver = InMemorySaver()
    await made.start({"batches": ["a", "b", "c"]}, saver)
    graph = made.version.compiled(saver)

    async def questions() -> dict[str, str]:
        state = await graph.aget_state(THREAD)
        return {each.value["show"]["batch"]: each.id for task in state.tasks for each in task.interrupts}

    asked = await questions()
    assert list(asked) == ["a", "b", "c"]
    await graph.ainvoke(Command(resume={asked["b"]: "yes"}), THREAD, context=made.scope("r1"))
    assert list(await questions()) == ["a", "c"]
    rest = {asked["a"]: "no", asked["c"]: "yes"}
    found = await graph.ainvoke(Command(resume=rest), THREAD, context=made.scope("r1"))
    assert (found["failed"], found["themes"]) == (2, ["a!", "b!", "c!"])
    assert sorted(_module(made).seen) == ["a", "b", "c"]


async def test_items_that_were_done_before_a_crash_are_not_done_again(lab: Make) -> None:
    made, saver = lab(HEAD), InMemorySaver()
    module = _module(made)
    running = asyncio.create_task(made.start({"batches": [*"abcdefgh"]}, saver))
    while len(module.seen) < 4:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = await made.version.compiled(saver).ainvoke(None, THREAD, context=made.scope("r1"))
    assert found["themes"] == [f"{letter}!" for letter in "abcdefgh"]
    # The three that were under way may run again; what was done does not.
    assert len(module.seen) <= 8 + 3


async def test_a_mock_may_be_a_list_with_one_result_for_each_item(lab: Make) -> None:
    made = lab(HEAD + SKIP)
    rehearsed = await rehearse(
        made.version.spec, {"batches": ["t1", "t2", "t3"]}, {"read": [["billing"], "error", ["login"]]}
    )
    assert (rehearsed.values["themes"], rehearsed.values["failed"]) == (["billing", "login"], 1)
    short = await rehearse(made.version.spec, {"batches": ["t1", "t2"]}, {"read": [["billing"]]})
    assert short.values["failed"] == 1


# --------------------------------------------------------------------------- the check


@pytest.mark.parametrize(
    ("before", "after", "code", "at", "told"),
    [
        (
            'over         = "batches"\n',
            "",
            "E04",
            "[node.each]",
            "the step each needs over, the name of a list",
        ),
        ('over         = "batches"', 'over         = "baches"', "E08", '"baches"', "did you mean batches?"),
        ('over         = "batches"', 'over         = "mark"', "E03", '"mark"', "mark is declared as text"),
        ('do           = "read"', 'do           = "reed"', "E05", '"reed"', "did you mean read?"),
        ('do           = "read"', 'do           = "end"', "E05", '"end"\nmax', "there is no step end"),
        (
            'next         = "end"',
            'next         = "read"',
            "E20",
            '"read"\nmax',
            "other steps lead to it too",
        ),
        ("max_parallel = 3", "max_parallel = 0", "E03", "0\nnext", "a whole number from 1 to 256"),
        ('as           = "batch"', 'as           = "mark"', "E03", '"mark"\ndo', "mark is declared already"),
        ('item = "{{ batch }}"', 'item = "{{ bach }}"', "E08", "bach }}", "did you mean batch?"),
        ('save = "themes"', 'save = "done"', "E19", '"done"', 'declare done with merge = "append"'),
        (
            'save = "themes"',
            'save = "themes"\nnext = "each"',
            "E20",
            "[node.read]",
            "leads out of the map to each",
        ),
        ('over         = "batches"', 'of           = "batches"', "E02", "of ", "there are as, do,"),
    ],
)
def test_mistakes_in_a_map_are_found_where_they_are(
    found: Callable[[str], list[Finding]], before: str, after: str, code: str, at: str, told: str
) -> None:
    text = HEAD.replace(before, after)
    assert text != HEAD
    first = next(each for each in found(text) if each.code == code)
    assert told in f"{first.message}; {first.help}"
    line = text[: text.rindex(at) if code != "E08" or "bach " not in at else text.index(at)].count("\n") + 1
    assert first.line == line


def test_a_step_for_items_has_no_next_and_any_other_needs_one(found: Callable[[str], list[Finding]]) -> None:
    assert found(HEAD) == []
    (only,) = found(HEAD.replace('next         = "end"', ""))
    assert (only.code, only.message) == ("E04", "the step each does not say what follows")
