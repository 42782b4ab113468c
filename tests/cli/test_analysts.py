"""The page for analysts, followed from its top: its edits are made, its commands are run, in their order."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text()
PART = re.compile(r"```toml\n(?P<toml>.*?)```|^    hubbub (?P<command>[^\n]+)$", re.DOTALL | re.MULTILINE)
Run = Callable[..., subprocess.CompletedProcess[str]]


def edit(workspace: Path, text: str) -> None:
    """Make one change of the page: in the config, in the graph, or in the file with mocks."""
    if text.startswith("[graphs]"):
        config = workspace / "config.toml"
        config.write_text(re.sub(r'(?m)^publish( *)= "on-save"', r'publish\1= "by-hand"', config.read_text()))
        assert '"by-hand"' in config.read_text()
    elif text.startswith("["):
        graph = workspace / "graphs" / "ask.toml"
        graph.write_text(with_table(graph.read_text(), text))
    else:
        (workspace / "mocks.toml").write_text(text)


def with_table(graph: str, table: str) -> str:
    """Put a table in the place of the one with its name, or before the tests, or at the end."""
    header = table.partition("\n")[0]
    if f"\n{header}\n" in graph and not header.startswith("[["):
        before, _, rest = graph.partition(f"\n{header}\n")
        after = re.search(r"(?m)^\[", rest)
        assert after
        return f"{before}\n{table}\n{rest[after.start() :]}"
    return (
        f"{graph}\n{table}" if header.startswith("[[") else graph.replace("[[test]]", f"{table}\n[[test]]", 1)
    )


def parts() -> Iterator[tuple[str, str]]:
    for found in PART.finditer(PAGE):
        yield ("edit", found["toml"]) if found["toml"] else ("run", found["command"])


@pytest.fixture(scope="module")
def said(hubbub: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Follow the page, and return what each command said."""
    workspace = tmp_path_factory.mktemp("analyst") / "space"
    assert hubbub("init", workspace).returncode == 0
    found = {}
    for kind, text in parts():
        if kind == "edit":
            edit(workspace, text)
            continue
        arguments = [str(workspace / each) if each == "mocks.toml" else each for each in shlex.split(text)]
        done = hubbub("--workspace", workspace, *arguments)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        found[text] = done.stdout + done.stderr
    return found


def test_every_command_of_the_page_works_in_its_place(said: dict[str, str]) -> None:
    assert len(said) == 10
    assert "<svg" in said["graph show ask --svg"]
    assert "No mistakes in ask" in said["graph check"]
    assert "ok    a word is asked back" in said["graph test ask"]
    assert "no_answer" in said["""run ask --input '{"question": "What is a thread?"}'"""]


def test_what_the_page_changes_is_what_is_published_and_taken_back(said: dict[str, str]) -> None:
    assert "ask_back" in said["graph diff ask"]
    assert "10 % of the threads" in said["graph publish ask --percent 10"]
    assert "goes back" in said["graph rollback ask"]


def test_without_calling_anything_the_run_says_why_it_went_where(said: dict[str, str]) -> None:
    told = said["""run ask --input '{"question": "What is a thread?"}' --mock mocks.toml"""]
    assert "size(question) < short is false (question is 'What is a thread?', short is 12)" in told
    assert "A durable conversation [1]." in told


def test_the_mistake_that_the_page_shows_is_found_as_it_shows_it(hubbub: Run, tmp_path: Path) -> None:
    workspace = tmp_path / "space"
    assert hubbub("init", workspace).returncode == 0
    for kind, text in parts():
        if kind == "edit" and text.startswith(("[node", "[settings")):
            edit(workspace, text.replace('go = "ask_back"', 'go = "ask_bak"'))
    shown = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    assert hubbub("--workspace", workspace, "graph", "check").stdout == shown[1]
