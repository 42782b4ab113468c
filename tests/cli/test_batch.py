"""`hubbub batch`: no row is lost and none is run twice, whatever is killed, with and without a hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.lock import Holder, holder
from tests.programs import Program

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
Start = Callable[..., Program]
WaitUntilServed = Callable[[Path, Program], Holder]

PLUGIN = '''
"""A step that writes down what it is told, and waits while it is held."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from hubbub import hookimpl

HERE = Path(__file__).parent.parent


class Note:
    """Takes note of a number, and fails for 13 until all is mended."""

    name = "note"

    class Params(BaseModel):
        text: str

    async def run(self, state, params, ctx):
        number = params.text.removeprefix("say ")
        while (HERE / "held").exists() and int(number) > 20:
            await asyncio.sleep(0.02)
        with (HERE / "noted").open("a") as noted:
            noted.write(number + "\\n")
        if number == "13" and not (HERE / "mended").exists():
            raise ValueError("13 brings bad luck")
        return {"said": "n" + number}


@hookimpl
def register_steps():
    return [Note()]
'''
GRAPH = """
graph  = "count"
about  = "Says a number"
start  = "say"
output = ["said"]

[input]
number = "int"

[state]
said = "text?"

[node.say]
use  = "step.note"
text = "say {{ number }}"
next = "end"
"""
ROWS = 60


@pytest.fixture
def counting(workspace: Path) -> Path:
    """A workspace with a graph that counts, and a table."""
    (workspace / "plugins" / "note.py").write_text(PLUGIN)
    (workspace / "graphs" / "count.toml").write_text(GRAPH)
    (workspace / "rows.csv").write_text("number\n" + "".join(f"{n}\n" for n in range(101, 101 + ROWS)))
    return workspace


def batch(counting: Path, *more: str) -> list[str | Path]:
    table, out = counting / "rows.csv", counting / "out.jsonl"
    return ["--workspace", counting, "batch", "count", table, "--out", out, *more]


def answers(counting: Path) -> list[Any]:
    text = (counting / "out.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def noted(counting: Path) -> list[str]:
    file = counting / "noted"
    return file.read_text().split() if file.exists() else []


def assert_each_once(counting: Path) -> None:
    numbers = range(101, 101 + ROWS)
    assert [(row["row"], row["input"]["number"], row["output"]["said"]) for row in answers(counting)] == [
        (row, number, f"n{number}") for row, number in enumerate(numbers, 1)
    ]
    assert sorted(noted(counting)) == [str(number) for number in numbers]


def until(condition: Callable[[], bool], process: Program) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_with_and_without_a_hub_the_answers_are_the_same(
    hubbub: Run, start: Start, wait_until_served: WaitUntilServed, counting: Path
) -> None:
    alone = hubbub(*batch(counting, "--json"))
    assert alone.returncode == 0, alone.stderr
    assert_each_once(counting)
    totals = json.loads(alone.stdout)
    assert (totals["rows"], totals["done"], totals["status"]) == (ROWS, ROWS, "done")
    hub = start("--workspace", counting, "serve", "--port", "0")
    wait_until_served(counting, hub)
    same = hubbub(*batch(counting))
    assert same.returncode == 0, same.stderr
    assert f"{ROWS} of {ROWS} rows have ended" in same.stderr
    assert_each_once(counting)
    beside = hubbub(*batch(counting, "--again")[:-3], "--again")
    assert beside.returncode == 0, beside.stderr
    assert beside.stdout == (counting / "out.jsonl").read_text()
    assert len(noted(counting)) == 2 * ROWS


def test_killed_in_the_middle_it_goes_on_with_a_hub_of_its_own(
    hubbub: Run, start: Start, counting: Path
) -> None:
    (counting / "held").touch()
    rows = "number\n" + "".join(f"{n}\n" for n in [*range(1, 13), *range(21, 69)])
    (counting / "rows.csv").write_text(rows)
    verb = start(*batch(counting, "--concurrency", "4"))
    until(lambda: len(noted(counting)) == 12, verb)
    verb.kill()
    verb.wait()
    (counting / "held").unlink()
    done = hubbub(*batch(counting))
    assert done.returncode == 0, done.stderr
    assert [row["row"] for row in answers(counting)] == list(range(1, ROWS + 1))
    assert sorted(noted(counting), key=int) == [str(n) for n in [*range(1, 13), *range(21, 69)]]


def test_hub_and_verb_killed_at_once_lose_no_row_and_run_none_twice(
    hubbub: Run, start: Start, wait_until_served: WaitUntilServed, counting: Path
) -> None:
    hub = start("--workspace", counting, "serve", "--port", "0")
    wait_until_served(counting, hub)
    verb = start(*batch(counting, "--concurrency", "3"))
    until(lambda: len(noted(counting)) > 5, verb)
    hub.kill()
    verb.kill()
    hub.wait()
    verb.wait()
    done = hubbub(*batch(counting))
    assert done.returncode == 0, done.stderr
    # A step that was at work when its process died has run at least once; every row has one answer.
    assert [row["output"]["said"] for row in answers(counting)] == [f"n{n}" for n in range(101, 101 + ROWS)]
    assert set(noted(counting)) == {str(n) for n in range(101, 101 + ROWS)}
    assert len(noted(counting)) <= ROWS + 3


@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM])
def test_a_hub_that_ends_is_said_and_the_next_one_goes_on(
    hubbub: Run,
    start: Start,
    wait_until_served: WaitUntilServed,
    counting: Path,
    name: signal.Signals,
) -> None:
    (counting / "held").touch()
    hub = start("--workspace", counting, "--set", "hub.drain=1s", "serve", "--port", "0")
    wait_until_served(counting, hub)
    verb = start(*batch(counting))
    until(lambda: (counting / "out.jsonl").exists() and _running(counting), verb)
    os.kill(hub.pid, name)
    said = verb.communicate()[1]
    assert verb.returncode == 1
    hub.wait()
    assert "goes on where it was" in said
    (counting / "held").unlink()
    done = hubbub(*batch(counting))
    assert done.returncode == 0, done.stderr
    assert_each_once(counting)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_pauses_the_batch_and_the_next_call_goes_on(
    hubbub: Run,
    start: Start,
    wait_until_served: WaitUntilServed,
    counting: Path,
    name: signal.Signals,
) -> None:
    (counting / "held").touch()
    hub = start("--workspace", counting, "serve", "--port", "0")
    wait_until_served(counting, hub)
    verb = start(*batch(counting, "--concurrency", "2"))
    until(lambda: _running(counting), verb)
    os.kill(verb.pid, name)
    said = verb.communicate()[1]
    assert verb.returncode in (1, 130)
    assert "run it again, and it goes on" in said
    assert "Traceback" not in said
    (counting / "held").unlink()
    done = hubbub(*batch(counting))
    assert done.returncode == 0, done.stderr
    assert_each_once(counting)


def test_rows_that_fail_stand_in_their_place_and_are_run_again_when_asked(
    hubbub: Run, counting: Path
) -> None:
    (counting / "rows.csv").write_text("number\n12\n13\nx\n14\n")
    done = hubbub(*batch(counting))
    assert done.returncode == 1
    first, second, third, fourth = answers(counting)
    assert (first["output"]["said"], fourth["output"]["said"]) == ("n12", "n14")
    assert "bad luck" in second["error"]["message"]
    assert third["error"]["message"].startswith("Line 4: ")
    assert "row 2 failed" in done.stderr
    (counting / "mended").touch()
    again = hubbub(*batch(counting, "--retry"))
    assert again.returncode == 1
    assert answers(counting)[1]["output"]["said"] == "n13"
    assert sorted(noted(counting)) == ["12", "13", "13", "14"]


def test_what_cannot_be_begun_ends_with_2_and_a_sentence(
    hubbub: Run, start: Start, wait_until_served: WaitUntilServed, counting: Path
) -> None:
    wait_until_served(counting, start("--workspace", counting, "serve", "--port", "0"))
    rows = counting / "rows.csv"
    (counting / "kept.txt").write_text("precious\n")
    (counting / "empty.csv").touch()
    (counting / "wrong.csv").write_text("nummer\n1\n")
    for arguments, word in (
        (["nope", rows], "nope"),
        (["count", counting / "nothing.csv"], "cannot be read"),
        (["count", counting / "empty.csv"], "is empty"),
        (["count", counting / "wrong.csv"], "no column number"),
        (["count", rows, "--out", rows], "the table itself"),
        (["count", rows, "--out", counting / "kept.txt"], "something else"),
        (["count", rows, "--out", counting / "no" / "out.jsonl"], "cannot be written"),
        (["count", rows, "--concurrency", "0"], "concurrency"),
        (["count", rows, "--budget", "nan"], "above 0"),
    ):
        done = hubbub("--workspace", counting, "batch", *arguments)
        assert (done.returncode, word in done.stderr) == (2, True), done.stderr
    assert (counting / "kept.txt").read_text() == "precious\n"
    assert noted(counting) == []


def _running(counting: Path) -> bool:
    """Whether rows of the batch are worked on: the hub says so."""
    import urllib.request

    owner = holder(counting / "var")
    if not owner or not owner.url:
        return False
    request = urllib.request.Request(f"{owner.url}/batches")
    request.add_header("Authorization", f"Bearer {owner.token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        found = json.load(answer)
    return bool(found) and found[0]["status"] == "running" and found[0]["under_way"] > 0
