"""The programs that the pages show, run as they are."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("page", ["README.md", "docs/protocol.md"])
def test_the_client_of_a_page_streams_an_answer(served: Any, page: str) -> None:
    (program,) = PROGRAM.findall((ROOT / page).read_text())
    for shown, here in (
        ("http://127.0.0.1:8765", served.owner.url),
        ("What is a thread?", "How long does a lantern of the north pier burn?"),
    ):
        assert shown in program
        program = program.replace(shown, here)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "nine hours" in done.stdout


def test_the_first_plugin_takes_the_steps_of_its_page(hubbub: Run, workspace: Path) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text()
    tutorial = page[page.index("## Your first plugin") : page.index("## Hooks")]
    plugin, test = PROGRAM.findall(tutorial)
    commands = re.findall(r"^    hubbub (.+)$", tutorial, re.MULTILINE)
    (graph,) = re.findall(r"```toml\n(.*?)```", tutorial, re.DOTALL)
    (answer,) = re.findall(r"```text\n(.*?)```", tutorial, re.DOTALL)
    new, check, graph_check, run = (shlex.split(command) for command in commands)

    def follow(*command: str) -> str:
        inside = [str(workspace / part) if part.startswith("plugins/") else part for part in command]
        done = hubbub("--workspace", workspace, *inside)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    follow(*new)
    (workspace / "plugins" / "fit.py").write_text(plugin)
    assert "passed  its answers are such as its kind allows" in follow(*check)
    (workspace / "graphs" / "lead.toml").write_text(graph)
    follow(*graph_check)
    assert follow(*run) == answer
    assert (workspace / "tests" / "test_fit.py").exists()
    (workspace / "tests" / "test_fit.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(workspace / "tests")]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
