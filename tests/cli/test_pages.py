"""The programs that the pages show, run as they are."""

import re
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


def test_the_plugin_of_its_page_is_one_that_a_graph_can_use(hubbub: Run, workspace: Path) -> None:
    plugin, _graph = PROGRAM.findall((ROOT / "docs" / "plugins.md").read_text())
    assert "register_scorers" in plugin
    (workspace / "plugins" / "fit.py").write_text(plugin)
    (workspace / "config.toml").write_text("[plugins.fit]\nbig = 100\n")
    (workspace / "graphs" / "lead.toml").write_text(
        'graph = "lead"\nabout = "Scores a lead"\nstart = "fit"\noutput = ["score"]\n'
        '[input]\nemployees = "int"\n[state]\nscore = "number"\n'
        '[node.fit]\nuse = "scorer.fit"\nemployees = "{{ employees }}"\nsave = ["score"]\nnext = "end"\n'
    )
    checked = hubbub("--workspace", workspace, "graph", "check")
    assert checked.returncode == 0, checked.stdout
    done = hubbub("--workspace", workspace, "run", "lead", "--input", '{"employees": 50}')
    assert (done.returncode, done.stdout) == (0, '{\n  "score": 0.5\n}\n'), done.stderr
