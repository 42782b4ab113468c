"""Publishing, rolling back and comparing graphs: the same with and without a hub."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
NOTE = """
graph  = "note"
about  = "Sorts a note"
start  = "sort"
output = ["kind"]

[input]
length = "int"

[settings]
long = { type = "int", value = 100 }

[state]
kind = "text?"

[node.sort]
use  = "branch"
when = [{ if = "length > long", go = "mark" }, { else = "end" }]

[node.mark]
use  = "set"
set  = { kind = "long" }
next = "end"

[[test]]
name   = "a long one"
input  = { length = 101 }
expect = ["kind == 'long'"]
"""


@pytest.fixture(params=["alone", "beside a hub"])
def space(request: pytest.FixtureRequest) -> Path:
    """A workspace with the graph, once without and once with a hub."""
    if request.param == "alone":
        found: Path = request.getfixturevalue("workspace")
    else:
        found = request.getfixturevalue("served").workspace
    (found / "graphs" / "note.toml").write_text(NOTE)
    return found


def save(space: Path, text: str) -> None:
    """Save the file."""
    (space / "graphs" / "note.toml").write_text(text)


def test_a_graph_is_published_compared_and_rolled_back(hubbub: Run, space: Path) -> None:
    first = hubbub("--workspace", space, "graph", "publish", "note", "--json")
    assert first.returncode == 0, first.stderr
    before = json.loads(first.stdout)
    save(space, NOTE.replace("value = 100", "value = 90"))
    second = hubbub("--workspace", space, "graph", "publish", "note")
    assert second.returncode == 0, second.stderr
    told = second.stdout.splitlines()
    assert told[0] == "1 tests pass, 0 fail; 1 of 2 ways tried."
    assert "New runs of note get version" in second.stdout
    compared = hubbub("--workspace", space, "graph", "diff", f"note@{before['version']}")
    assert compared.stdout == "setting long: 100 -> 90\n"
    back = hubbub("--workspace", space, "graph", "rollback", "note")
    assert back.returncode == 0, back.stderr
    assert back.stdout.splitlines()[1:] == [
        "  setting long: 90 -> 100",
        f"New runs of note get version {before['version']}.",
    ]
    live = hubbub("--workspace", space, "graph", "diff", "note")
    assert live.stdout == "setting long: 100 -> 90\n"


def test_a_mistake_or_a_test_that_fails_is_not_published(hubbub: Run, space: Path) -> None:
    assert hubbub("--workspace", space, "graph", "publish", "note").returncode == 0
    save(space, NOTE.replace('go = "mark"', 'go = "marc"'))
    done = hubbub("--workspace", space, "graph", "publish", "note")
    assert done.returncode == 1
    assert (
        "graphs/note.toml:18:38: error E05: there is no step marc\n  help: did you mean mark?" in done.stdout
    )
    assert "Not published; version" in done.stdout
    save(space, NOTE.replace('"a long one"', '"a short one"').replace("= 101", "= 1"))
    done = hubbub("--workspace", space, "graph", "publish", "note")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "FAIL  a short one"


def test_what_is_not_there_is_one_sentence(hubbub: Run, space: Path) -> None:
    for verb, sentence in (
        (["publish", "nota"], "There is no graph nota; did you mean note?"),
        (["publish", "../config"], "There is no graph ../config; there are"),
        (["rollback", "nota"], "There is no graph nota;"),
        (["diff", "nota"], "There is no version nota@live; there is none."),
        (["diff", "note@0123"], "There is no version note@0123; there is"),
        (["diff", "note", "nowhere.toml"], "There is no file nowhere.toml;"),
        (["publish", "note", "--percent", "10"], 'set [graphs] publish = "by-hand"'),
    ):
        done = hubbub("--workspace", space, "graph", *verb)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        assert sentence in done.stderr


def test_a_share_of_the_threads_is_published_by_hand_and_taken_back(hubbub: Run, workspace: Path) -> None:
    save(workspace, NOTE)
    by_hand = ("--workspace", workspace, "--set", "graphs.publish=by-hand", "graph")
    first = json.loads(hubbub(*by_hand, "publish", "note", "--json").stdout)
    save(workspace, NOTE.replace("value = 100", "value = 90"))
    done = hubbub(*by_hand, "publish", "note", "--percent", "10")
    assert done.returncode == 0, done.stderr
    assert "10 % of the threads get version" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("graph rollback note")
    back = json.loads(hubbub(*by_hand, "rollback", "note", "--json").stdout)
    assert (back["version"], back["canary"]) == (first["version"], "")
    (workspace / "graphs" / "note.toml").unlink()
    assert "withdrawn" in hubbub(*by_hand, "publish", "note").stdout


def test_two_files_are_compared(hubbub: Run, workspace: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "note.toml", tmp_path / "b" / "note.toml"
    for file, text in (
        (one, NOTE),
        (two, NOTE.replace("[node.mark]", "[node.tag]").replace('"mark"', '"tag"')),
    ):
        file.parent.mkdir()
        file.write_text(text)
    done = hubbub("--workspace", workspace, "graph", "diff", one, two)
    assert done.stdout == "step mark renamed to tag\n"
    assert hubbub("--workspace", workspace, "graph", "diff", one, one).stdout == ""
