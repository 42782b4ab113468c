"""`hubbub plugin list` shows what is broken beside what is not."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_broken_plugin_is_listed_with_its_error(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "bad.py").write_text("raise RuntimeError('out of paper')\n")
    done = hubbub("--workspace", workspace, "plugin", "list", "--json")
    assert done.returncode == 1
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["bad"]["state"] == "failed"
    assert "out of paper" in rows["bad"]["error"]
    assert rows["shout"]["state"] == "ready"
    assert set(rows["bad"]) == {"name", "kind", "file", "state", "error", "version", "supplies"}


def test_the_table_is_for_people(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "plugin", "list")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[0].split()[:2] == ["name", "kind"]
