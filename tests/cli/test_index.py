"""`hubbub index`: the same verb and the same output with and without a hub."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.programs import Program

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]


def test_only_what_changed_is_read_again(hubbub: Run, workspace: Path) -> None:
    papers = workspace / "papers"
    first = hubbub("--workspace", workspace, "index", papers, "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["documents"] == 1
    (papers / "more.txt").write_text("The ferry leaves at noon.\n")
    again = json.loads(hubbub("--workspace", workspace, "index", papers, "--json").stdout)
    assert (again["documents"], again["skipped"]) == (1, 1)
    (papers / "more.txt").unlink()
    assert json.loads(hubbub("--workspace", workspace, "index", papers, "--json").stdout)["removed"] == 1


def test_a_hub_is_asked_and_says_the_same(hubbub: Run, workspace: Path, served: Any) -> None:
    alone = hubbub("--workspace", workspace, "index", workspace / "papers", "--collection", "fresh")
    beside = hubbub(
        "--workspace", served.workspace, "index", served.workspace / "papers", "--collection", "fresh"
    )
    assert beside.returncode == alone.returncode == 0, beside.stderr
    assert _timeless(beside.stdout) == _timeless(alone.stdout)
    assert beside.stderr == alone.stderr


def test_search_without_a_model_is_said_aloud(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "index", workspace / "papers")
    assert "search by keyword" in done.stdout
    assert "hubbub models pull" in done.stderr


def test_a_document_that_cannot_be_read_is_named_and_the_rest_goes_on(hubbub: Run, workspace: Path) -> None:
    (workspace / "papers" / "broken.jsonl").write_text('{"text": "good"}\n{"text": \n')
    done = hubbub("--workspace", workspace, "index", workspace / "papers")
    assert done.returncode == 0
    assert "broken.jsonl:2" in done.stderr


def test_ctrl_c_stops_it_with_a_word_and_the_next_run_goes_on(
    hubbub: Run, start: Start, workspace: Path
) -> None:
    rows = "".join(f'{{"text": "Number {number}."}}\n' for number in range(100_000))
    (workspace / "papers" / "many.jsonl").write_text(rows)
    process = start("--workspace", workspace, "index", workspace / "papers")
    while not (workspace / "var" / "search.db").exists():
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.strip() == "Stopped; run it again, and it goes on where it was."
    (workspace / "papers" / "many.jsonl").write_text(rows[:200])
    done = hubbub("--workspace", workspace, "index", workspace / "papers", "--json")
    assert json.loads(done.stdout)["documents"] >= 1, done.stderr


def test_a_path_that_is_not_there_is_one_sentence(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "index", workspace / "nowhere")
    assert done.returncode == 1
    assert "There is no file or folder" in done.stderr


def _timeless(text: str) -> str:
    return re.sub(r"[\d.]+ s;", "T s;", text)
