"""`hubbub graph`: every mistake with its place and a remedy, and a drawing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]

BROKEN = """graph = "broken"
start = "say"
output = ["answer"]

[state]
answer = "text"

[node.say]
use  = "set"
set  = { answr = "x" }
next = "end"
"""


def test_graphs_without_mistakes_pass(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "graph", "check")
    assert done.returncode == 0, done.stdout
    assert "ask" in done.stderr


def test_a_mistake_is_told_with_its_place_and_a_remedy(hubbub: Run, workspace: Path) -> None:
    (workspace / "graphs" / "broken.toml").write_text(BROKEN)
    done = hubbub("--workspace", workspace, "graph", "check", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [(each["line"], each["code"], each["severity"]) for each in found] == [(10, "E08", "error")]
    assert set(found[0]) == {"file", "line", "col", "code", "severity", "message", "help"}
    people = hubbub("--workspace", workspace, "graph", "check", workspace / "graphs" / "broken.toml")
    assert "graphs/broken.toml:10:18: error E08: answr is not declared" in people.stdout
    assert "help: did you mean answer?" in people.stdout


def test_a_graph_is_drawn_for_terminals_and_for_documents(hubbub: Run, workspace: Path) -> None:
    drawn = hubbub("--workspace", workspace, "graph", "show", "ask")
    assert drawn.returncode == 0, drawn.stderr
    assert "if size(passages) == 0 -> no_answer" in drawn.stdout
    mermaid = hubbub("--workspace", workspace, "graph", "show", "ask", "--mermaid")
    assert mermaid.stdout.startswith("flowchart TD")
    assert 'step_enough -->|"if size(passages) == 0"| step_no_answer' in mermaid.stdout


def test_an_unknown_graph_is_one_sentence(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "graph", "show", "aks")
    assert (done.returncode, done.stderr) == (1, "There is no graph aks; did you mean ask?\n")


def test_the_tests_of_a_graph_run_offline_and_say_what_they_did_not_try(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "graph", "test", "ask")
    assert done.returncode == 0, done.stderr
    assert "  ok    nothing found" in done.stdout
    told = json.loads(hubbub("--workspace", workspace, "graph", "test", "--json").stdout)
    passed = {each["graph"]: each["passed"] for each in told}
    shipped = sorted(path.stem for path in (ROOT / "graphs").glob("*.toml"))
    assert passed == dict.fromkeys(shipped, True)
    assert not (workspace / "var" / "hubbub.db").exists()


def test_a_test_that_fails_says_why_and_ends_with_1(hubbub: Run, workspace: Path) -> None:
    ask = workspace / "graphs" / "ask.toml"
    ask.write_text(ask.read_text().replace("size(sources) == 0", "size(sources) == 1"))
    done = hubbub("--workspace", workspace, "graph", "test")
    assert done.returncode == 1
    assert "FAIL  nothing found" in done.stdout
    assert "expected size(sources) == 1 is false (sources is a list of 0)" in done.stdout


def test_a_graph_with_a_mistake_is_not_tested(hubbub: Run, workspace: Path) -> None:
    (workspace / "graphs" / "broken.toml").write_text(BROKEN)
    done = hubbub("--workspace", workspace, "graph", "test", "broken")
    assert (done.returncode, "broken.toml:10" in done.stderr) == (1, True)


def test_a_graph_is_drawn_as_a_picture_and_as_a_page(hubbub: Run, workspace: Path) -> None:
    picture = hubbub("--workspace", workspace, "graph", "show", "ask", "--svg")
    assert picture.stdout.startswith('<svg xmlns="http://www.w3.org/2000/svg"'), picture.stderr
    page = hubbub("--workspace", workspace, "graph", "show", "ask", "--md")
    assert page.stdout.startswith("# ask\n")


def test_the_schema_for_editors_is_json(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "graph", "schema")
    assert json.loads(done.stdout)["title"] == "A graph of Hubbub", done.stderr
