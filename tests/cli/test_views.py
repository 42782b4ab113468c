"""`threads`, `runs`, `usage`, `views rebuild` and `events --follow`, with and without a hub."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Program

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]

QUESTION = json.dumps({"question": "How long does a lantern of the north pier burn?"})


@pytest.fixture(params=["alone", "beside a hub"])
def space(request: pytest.FixtureRequest) -> Path:
    """A workspace, once without and once with a hub."""
    if request.param == "alone":
        return request.getfixturevalue("workspace")  # type: ignore[no-any-return]
    return request.getfixturevalue("served").workspace  # type: ignore[no-any-return]


def test_a_run_is_listed_counted_and_rebuilt(hubbub: Run, space: Path) -> None:
    at = ["--workspace", space]
    assert hubbub(*at, "index", space / "papers").returncode == 0
    assert hubbub(*at, "run", "ask", "--thread", "viewed", "--input", QUESTION).returncode == 0

    def listed(*verb: str) -> Any:
        done = hubbub(*at, *verb, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    (thread,) = [each for each in listed("threads", "--limit", "1000") if each["thread"] == "viewed"]
    assert (thread["runs"], thread["graph"], thread["status"]) == (1, "ask", "success")
    (run,) = listed("runs", "--thread", "viewed", "--status", "success", "--graph", "ask")
    assert run["accepted_at"] <= run["started_at"] <= run["ended_at"]
    rows = listed("usage", "--group", "graph,model", "--tenant", "default")
    (used,) = [row for row in rows if row["graph"] == "ask"]
    assert (used["model"], used["failed"]) == ("extractive", 0)
    assert used["calls"] >= 1
    assert used["output_tokens"] > 0

    with sqlite3.connect(space / "var" / "hubbub.db", timeout=30) as database:
        for table in ("view_threads", "view_runs", "view_usage"):
            database.execute(f"DELETE FROM {table}")
    counts = listed("views", "rebuild")
    assert min(counts[name] for name in ("threads", "runs", "usage")) >= 1
    assert listed("runs", "--thread", "viewed") == [run]
    assert listed("usage", "--group", "graph,model", "--tenant", "default") == rows


def test_the_lists_are_tables_for_people(hubbub: Run, served: Any) -> None:
    at = ["--workspace", served.workspace]
    assert hubbub(*at, "run", "ask", "--thread", "seen", "--input", QUESTION).returncode == 0
    assert "seen" in hubbub(*at, "threads").stdout
    assert "success" in hubbub(*at, "runs", "--thread", "seen").stdout
    assert "extractive" in hubbub(*at, "usage").stdout
    assert hubbub(*at, "views", "rebuild").stdout.split()[:3] == ["threads", "runs", "usage"]


def test_an_empty_workspace_has_empty_lists(hubbub: Run, workspace: Path) -> None:
    at = ["--workspace", workspace]
    assert "no threads" in hubbub(*at, "threads").stdout
    assert hubbub(*at, "runs", "--json").stdout == "[]\n"
    assert "No model was asked" in hubbub(*at, "usage").stdout
    done = hubbub(*at, "usage", "--group", "hour")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_following_shows_events_as_they_commit_until_ctrl_c(start: Start, hubbub: Run, served: Any) -> None:
    at = ["--workspace", served.workspace]
    assert hubbub(*at, "run", "ask", "--thread", "followed", "--input", QUESTION).returncode == 0
    following = start(*at, "events", "followed", "--follow", "--json")

    def until_completed() -> list[dict[str, Any]]:
        seen = []
        for line in following.stdout:
            seen.append(json.loads(line))
            if seen[-1]["data"].get("event") == "completed":
                return seen
        raise AssertionError(following.communicate())

    first = until_completed()
    assert hubbub(*at, "run", "ask", "--thread", "followed", "--input", QUESTION).returncode == 0
    second = until_completed()
    positions = [event["position"] for event in first + second]
    assert positions == list(range(1, len(positions) + 1))
    assert len({event["run"] for event in second}) == 1
    os.kill(following.pid, signal.SIGINT)
    _, said = following.communicate(timeout=30)
    assert following.returncode == 130
    assert said.strip() == ""


def test_following_a_thread_that_is_deleted_ends_with_a_sentence(
    start: Start, hubbub: Run, workspace: Path
) -> None:
    at = ["--workspace", workspace]
    assert hubbub(*at, "run", "ask", "--thread", "gone", "--input", QUESTION).returncode == 0
    following = start(*at, "events", "gone", "--follow")
    assert "started ask" in following.stdout.readline()
    with sqlite3.connect(workspace / "var" / "hubbub.db", timeout=30) as database:
        database.execute("DELETE FROM threads WHERE id = 'gone'")
    _, said = following.communicate(timeout=30)
    assert following.returncode == 1
    assert said == "The thread gone was deleted; there is nothing more to follow.\n"
    assert hubbub(*at, "events", "never", "--follow").returncode == 1
