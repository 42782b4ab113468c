"""`hubbub train recommend`: the same with and without a hub, and a judgment of any file of events."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.lock import holder
from tests.runtime.recommend.tastes import events, rows

Run = Callable[..., subprocess.CompletedProcess[str]]


def post(workspace: Path, path: str, body: Any) -> Any:
    owner = holder(workspace / "var")
    assert owner
    request = urllib.request.Request(f"{owner.url}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_without_events_there_is_nothing_to_fit(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "train", "recommend")
    assert done.returncode == 1
    assert "The tenant default has no events yet; send some with POST /events" in done.stderr


def test_it_fits_beside_the_hub_and_on_its_own(
    hubbub: Run, workspace: Path, start: Any, wait_until_served: Any
) -> None:
    process = start("--workspace", workspace, "serve", "--port", "0")
    wait_until_served(workspace, process)
    post(workspace, "/events", {"events": rows(events())})
    beside = hubbub("--workspace", workspace, "train", "recommend", "--json")
    assert beside.returncode == 0, beside.stderr
    said = json.loads(beside.stdout)
    assert (said["users"], said["chosen"]["0"]) == (150, "popularity")
    assert {"ease", "popularity", "content"} <= {trial["name"] for trial in said["trials"]}
    listed = post(workspace, "/graphs/recommend", {"user": "user 1", "k": 3})
    assert len(listed["items"]) == 3
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    alone = hubbub("--workspace", workspace, "train", "recommend")
    assert alone.returncode == 0, alone.stderr
    assert "of 150 users with 90 items" in alone.stdout
    assert "who had nothing: popularity" in alone.stdout


def test_a_file_of_events_is_judged(hubbub: Run, workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([("user", "item", "at"), *events()])
    done = hubbub("--workspace", workspace, "train", "recommend", "--eval", file, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["splits"]["at random"]
    assert said["what would be recommended"]["all"] > said["popularity alone"]["all"]
    shown = hubbub("--workspace", workspace, "train", "recommend", "--eval", file)
    assert "the newest: NDCG@10 of a fifth of the events" in shown.stdout
    assert not (workspace / "var" / "recommend").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"user,item\na,b\n", "has no column at"),
        (b"user,item,at\na,b,1\na,,2\n", "events.csv:3: an event has a user, an item and at"),
        (b"user,item,at\na,b,NaN\n", "events.csv:2"),
        (b"", "has no column user"),
        (b"user,item,at\na,b,1\n", "needs at least 10"),
        (b"\xff\xfe\x00\x01", "is no CSV in UTF-8"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(
    hubbub: Run, workspace: Path, tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "events.csv").write_bytes(content)
    done = hubbub("--workspace", workspace, "train", "recommend", "--eval", tmp_path / "events.csv")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
