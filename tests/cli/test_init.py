"""`hubbub init` makes a workspace that works as it is."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_new_workspace_passes_every_check(hubbub: Run, tmp_path: Path) -> None:
    made = hubbub("init", tmp_path / "my new")
    assert made.returncode == 0
    (talk,) = [line for line in made.stdout.splitlines() if line.endswith("chat ask")]
    assert shlex.split(talk)[-4:] == ["--workspace", str(tmp_path / "my new"), "chat", "ask"]
    checked = hubbub("--workspace", tmp_path / "my new", "graph", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    listed = hubbub("--workspace", tmp_path / "my new", "plugin", "list")
    assert listed.returncode == 0
    assert "shout" in listed.stdout


def test_a_workspace_is_never_made_over_another_one(hubbub: Run, workspace: Path) -> None:
    (workspace / "config.toml").write_text("# mine\n")
    done = hubbub("init", workspace)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert (workspace / "config.toml").read_text() == "# mine\n"


def test_files_that_are_there_stay_as_they_are(hubbub: Run, tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "ask.toml").write_text("# mine\n")
    assert hubbub("init", tmp_path).returncode == 0
    assert (tmp_path / "graphs" / "ask.toml").read_text() == "# mine\n"


def test_a_folder_that_cannot_be_made_is_one_sentence(hubbub: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = hubbub("init", tmp_path / "file" / "new")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
