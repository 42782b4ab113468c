"""`run`, `chat` and `events`: what a person sees of a graph at work."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Program

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]

QUESTION = json.dumps({"question": "How long does a lantern of the north pier burn?"})


def test_the_output_is_json_and_the_steps_are_beside_it(hubbub: Run, served: Any) -> None:
    done = hubbub("--workspace", served.workspace, "run", "ask", "--input", QUESTION)
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    assert "nine hours" in output["answer"]
    assert set(output) == {"answer", "sources", "mode", "model"}
    assert "done  find" in done.stderr
    assert "-> write: else, because size(passages) == 0 is false (passages is a list of " in done.stderr
    assert "cost  1 model call, " in done.stderr
    assert "0.0000 USD" in done.stderr


def test_what_a_failed_run_undoes_is_shown(hubbub: Run, workspace: Path) -> None:
    with (workspace / "config.toml").open("a") as config:
        config.write("\n[plugins.office]\nlaptops = 0\n")
    done = hubbub("--workspace", workspace, "run", "onboard", "--input", '{"name": "Ann"}')
    assert (done.returncode, done.stdout) == (1, "")
    told = [line for line in done.stderr.splitlines() if line.startswith(("done", "undo"))]
    assert told == [
        *("done  account", "done  desk", "undo  desk by release_desk", "undo  account by close_account"),
    ]
    assert "The step laptop failed: No laptop is left; raise" in done.stderr


def test_a_run_with_mocks_calls_nothing_and_stores_nothing(hubbub: Run, workspace: Path) -> None:
    mocks = workspace / "mocks.toml"
    mocks.write_text('find = [{ text = "a" }]\nwrite = "words [1]"\ncite = ["a"]\n')
    run = ["--workspace", workspace, "run", "ask", "--input", QUESTION, "--mock"]
    done = hubbub(*run, mocks)
    assert (done.returncode, json.loads(done.stdout)["answer"]) == (0, "words [1]"), done.stderr
    assert "-> write: else, because size(passages) == 0 is false (passages is a list of 1)" in done.stderr
    assert not (workspace / "var").exists()
    (workspace / "mocks.json").write_text('{"find": [{"text": "a"}], "write": "error"}')
    failed = hubbub(*run, workspace / "mocks.json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "error: The step write failed: its mock says so." in failed.stderr


@pytest.mark.parametrize(
    ("name", "text", "said", "code"),
    [
        ("mocks.toml", "fnid = []", "no step fnid to stand in for; did you mean find?", 1),
        ("mocks.toml", "find: []", "in TOML write find =", 1),
        ("mocks.json", "[]", "must hold one object", 2),
        ("mocks.json", "{", "is not JSON", 2),
        ("mocks.toml", "", "nothing stands in for retriever.hybrid; add find to the mocks", 1),
    ],
)
def test_mocks_that_cannot_work_are_one_sentence(
    hubbub: Run, workspace: Path, name: str, text: str, said: str, code: int
) -> None:
    (workspace / name).write_text(text)
    done = hubbub("--workspace", workspace, "run", "ask", "--input", QUESTION, "--mock", workspace / name)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_hub_the_output_is_the_same(hubbub: Run, workspace: Path, served: Any) -> None:
    assert hubbub("--workspace", workspace, "index", workspace / "papers").returncode == 0
    alone = hubbub("--workspace", workspace, "run", "ask", "--input", QUESTION)
    beside = hubbub("--workspace", served.workspace, "run", "ask", "--input", QUESTION)
    assert alone.returncode == beside.returncode == 0, alone.stderr
    assert json.loads(alone.stdout) == json.loads(beside.stdout)
    assert alone.stderr == beside.stderr


def test_the_events_of_a_thread_are_for_people_and_for_programs(hubbub: Run, served: Any) -> None:
    at = ["--workspace", served.workspace]
    assert hubbub(*at, "run", "ask", "--thread", "pier", "--input", QUESTION).returncode == 0
    people = hubbub(*at, "events", "pier")
    assert "started ask" in people.stdout
    assert "completed ask" in people.stdout
    events = [json.loads(line) for line in hubbub(*at, "events", "pier", "--json").stdout.splitlines()]
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))


def test_an_unknown_thread_is_one_sentence(hubbub: Run, workspace: Path, served: Any) -> None:
    for space in (workspace, served.workspace):
        done = hubbub("--workspace", space, "events", "nowhere")
        assert done.returncode == 1
        assert "There is no thread nowhere" in done.stderr


@pytest.mark.parametrize(
    ("given", "said", "code"),
    [
        ("{", "not JSON", 2),
        ("[]", "must be a JSON object", 2),
        ("@nowhere.json", "cannot be read", 2),
        ("{}", "question", 1),
    ],
)
def test_an_input_that_cannot_work_is_one_sentence(
    hubbub: Run, served: Any, given: str, said: str, code: int
) -> None:
    done = hubbub("--workspace", served.workspace, "run", "ask", "--input", given)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_graph_is_one_sentence(hubbub: Run, served: Any) -> None:
    for verb in (["run", "aks"], ["chat", "aks"]):
        done = hubbub("--workspace", served.workspace, *verb)
        assert (done.returncode, done.stderr) == (1, "There is no graph aks; did you mean ask?\n")
    for name in ("ask?a=b", "ask/..", "a b", "%2e"):
        done = hubbub("--workspace", served.workspace, "run", name)
        assert done.returncode == 1
        assert f"There is no graph {name}; " in done.stderr


def test_a_chat_shows_answers_with_their_sources(hubbub: Run, served: Any) -> None:
    lines = "How long does a lantern of the north pier burn?\n\nWho keeps the south pier?\n"
    done = hubbub("--workspace", served.workspace, "chat", "ask", "--thread", "talk", input=lines)
    assert done.returncode == 0, done.stderr
    assert "nine hours" in done.stdout
    assert "Amaranth Oakley" in done.stdout
    assert "lanterns.md:" in done.stdout
    assert "--thread talk" in done.stderr


def test_ctrl_c_stops_the_answer_and_not_the_program(start: Start, hubbub: Run, served: Any) -> None:
    at = ["--workspace", served.workspace]
    process = start(*at, "chat", "slow", "--thread", "nap")
    process.stdin.write("anything\n")
    process.stdin.flush()
    assert process.stderr.readline().startswith("Talking to slow")
    while "running slow" not in hubbub(*at, "events", "nap").stdout:
        pass
    os.kill(process.pid, signal.SIGINT)
    assert process.stderr.readline() == "Stopped.\n"
    assert process.poll() is None
    out, _ = process.communicate("")
    assert process.returncode == 0
    assert "Traceback" not in out
    assert '"cancelled"' in hubbub(*at, "events", "nap", "--json").stdout


def test_what_a_run_waits_for_is_answered_in_the_terminal(hubbub: Run, served: Any) -> None:
    at = ["--workspace", served.workspace]
    given = json.dumps({"question": "Is it good?"})
    waits = hubbub(*at, "run", "post", "--thread", "post", "--input", given)
    assert (waits.returncode, waits.stderr) == (1, "The run waits; hubbub answer post\n")
    refused = hubbub(*at, "answer", "post", "maybe")
    assert refused.returncode == 1
    assert "does not fit" in refused.stderr
    asked = hubbub(*at, "answer", "post", input="change: shorter\npublish\n")
    assert asked.returncode == 0, asked.stderr
    assert asked.stderr.count("question: Is it good?") == 2
    assert json.loads(asked.stdout[asked.stdout.index("{") :])["decision"]["choice"] == "publish"
    assert hubbub(*at, "answer", "post", "publish").stderr.startswith("Nobody has asked anything")
    decisions = [
        event["data"]["values"]["decision"]
        for line in hubbub(*at, "events", "post", "--json").stdout.splitlines()
        if (event := json.loads(line))["method"] == "updates"
    ]
    assert decisions == [{"choice": "change", "note": "shorter"}, {"choice": "publish", "note": ""}]


def test_a_chat_asks_what_its_run_waits_for(hubbub: Run, served: Any) -> None:
    done = hubbub("--workspace", served.workspace, "chat", "post", input="Is it?\npublish\n")
    assert done.returncode == 0, done.stderr
    assert "question: Is it?" in done.stderr


def test_who_leaves_a_question_is_told_how_to_come_back(hubbub: Run, served: Any) -> None:
    done = hubbub("--workspace", served.workspace, "chat", "post", "--thread", "later", input="Is it?\n")
    assert "hubbub answer later" in done.stderr
