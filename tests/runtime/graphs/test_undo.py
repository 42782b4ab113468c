"""What is wrong with an undo is found before a run, at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.graphs.draw import as_text
from runtime.graphs.findings import Finding
from runtime.graphs.library import GraphLibrary
from runtime.graphs.text_version import GraphVersion

PLUGIN = '''"""A tool that does something."""

from pydantic import BaseModel

from hubbub import hookimpl


class Act:
    name = "act"
    description = "Does something."

    class Args(BaseModel):
        what: str

    async def run(self, args, ctx):
        return {}


@hookimpl
def register_tools():
    return [Act()]
'''

GRAPH = """
graph  = "good"
start  = "book"
output = ["desk"]

[input]
name = "text"

[state]
desk = "object?"

[node.book]
use  = "tool.act"
what = "book {{ name }}"
save = "desk"
next = "tell"
undo = "free"

[node.tell]
use  = "set"
set  = { desk = { told = true } }
next = "end"

[node.free]
use  = "tool.act"
what = "free {{ result.id }} {{ desk.id }} {{ meta.key }}"
"""

Make = Callable[[str], GraphLibrary]


@pytest.fixture
def make(library: Callable[..., GraphLibrary], tmp_path: Path) -> Make:
    """Return the library of a graph with an undo."""

    def made(text: str) -> GraphLibrary:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins" / "things.py").write_text(PLUGIN)
        return library(good=text)

    return made


def test_a_step_that_undoes_another_needs_no_next_and_reads_its_result(make: Make) -> None:
    assert make(GRAPH).findings() == []


def test_a_drawing_shows_what_undoes_a_step(make: Make) -> None:
    version = make(GRAPH).get("good")
    assert isinstance(version, GraphVersion)
    drawn = as_text(version.spec)
    assert "undone by -> free" in drawn
    assert drawn.count("-> end") == 1  # what undoes a step leads nowhere


@pytest.mark.parametrize(
    ("before", "after", "code", "line", "told"),
    [
        ('undo = "free"', 'undo = "fre"', "E05", 'undo = "fre"', "did you mean free?"),
        ('undo = "free"', 'undo = "tell"', "E03", 'undo = "tell"', "tell uses set, which changes nothing"),
        (
            'next = "end"',
            'next = "free"',
            "E20",
            'undo = "free"',
            "free undoes book, and tell leads to it too",
        ),
        ('next = "end"', 'undo="free"\nnext = "end"', "E03", 'undo="free"', "tell changes nothing outside"),
        ("[node.free]\n", '[node.free]\nnext = "tell"\n', "E20", "[node.free]", "and leads on to tell"),
        ("[node.free]\n", '[node.free]\nundo = "book"\n', "E03", 'undo = "free"', "has an undo itself"),
        ("[node.free]\n", '[node.free]\nsave="desk"\n', "W01", 'save="desk"', "is not saved"),
        ("{{ result.id }} {{", "{{ reslt.id }} {{", "E08", "{{ reslt", "nothing is called reslt"),
        ("book {{ name }}", "book {{ result.id }}", "E08", "book {{ result", "nothing is called result"),
    ],
)
def test_mistakes_in_an_undo_are_found_where_they_are(
    make: Make, before: str, after: str, code: str, line: str, told: str
) -> None:
    text = GRAPH.replace(before, after)
    first: Finding = make(text).findings()[0]
    assert first.code == code
    assert told in f"{first.message}; {first.help}"
    assert line in text.splitlines()[first.line - 1]
