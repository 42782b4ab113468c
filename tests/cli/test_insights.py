"""`hubbub insights` answers with figures, their SQL and charts, with and without a hub."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_question_is_answered_beside_its_sql_and_charts(hubbub: Run, served: Any, tmp_path: Path) -> None:
    at = ["--workspace", served.workspace]
    first = hubbub(*at, "insights", "How many runs today, by status?", "--charts", tmp_path / "charts")
    assert first.returncode == 0, first.stderr
    answer, _, rest = first.stdout.partition("\n")
    assert answer.startswith("Runs, ")
    assert "chosen by the words of the question" in rest
    assert re.search(r"^status +value +n$", rest, re.MULTILINE)
    assert re.search(r"^running +(\d+) +\1$", rest, re.MULTILINE)
    assert "-- runs by status, " in rest
    assert "SELECT status, " in rest
    assert ":tenant = 'default'" in rest
    files = sorted(file.name for file in (tmp_path / "charts").iterdir())
    assert files == ["1-runs-by-status.png", "1-runs-by-status.svg"]

    second = hubbub(*at, "insights", "runs by status", "--period", "today", "--graph", "insights", "--json")
    found = json.loads(second.stdout)
    assert {row["status"]: row["value"] for row in found["numbers"][0]["rows"]} == {
        "running": 1,
        "success": 1,
    }


def test_what_cannot_be_answered_is_said(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "insights", "Who won the 1954 cup?")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert done.stdout.startswith("No figure was recognised by the words of the question")


def test_a_folder_that_cannot_be_written_is_one_sentence(hubbub: Run, served: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = hubbub(
        "--workspace", served.workspace, "insights", "runs by status", "--charts", tmp_path / "file" / "x"
    )
    assert done.returncode == 2
    assert "cannot be made (Not a directory); name another folder for --charts." in done.stderr
