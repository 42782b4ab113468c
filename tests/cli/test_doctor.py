"""`hubbub doctor` names what is wrong and the command that mends it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import checks

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_healthy_workspace_needs_nothing_but_a_model(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "--set", "hub.port=0", "doctor", "--json")
    findings = json.loads(done.stdout)
    assert [finding for finding in findings if finding["state"] == "bad"] == []
    assert done.returncode == 0
    notes = [finding for finding in findings if finding["state"] == "note"]
    assert [note["what"] for note in notes] == ["embedder"]
    assert notes[0]["remedy"].startswith("hubbub models pull")


def test_it_names_the_owner_of_the_workspace(hubbub: Run, served: Any) -> None:
    done = hubbub("--workspace", served.workspace, "doctor")
    assert done.returncode == 0, done.stdout
    assert f"process {served.process.pid}, which serves {served.owner.url}" in done.stdout


def test_what_is_broken_is_named_with_its_remedy(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "bad.py").write_text("raise RuntimeError('out of paper')\n")
    (workspace / "graphs" / "bad.toml").write_text("graph = ask\n")
    (workspace / "var").mkdir()
    (workspace / "var" / "hubbub.db").write_bytes(b"this is no database at all" * 100)
    (workspace / "config.toml").write_text('[plugins.shout]\nkey = "secret:NOWHERE_KEY"\n')
    done = hubbub("--workspace", workspace, "doctor", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert any("out of paper" in each["sentence"] for each in findings if each["what"] == "plugin")
    found = {each["what"]: each for each in findings if each["state"] != "ok"}
    assert found["graph"]["remedy"] == "hubbub graph check bad"
    assert "damaged" in found["journal"]["sentence"]
    assert found["secret"]["remedy"] == "export NOWHERE_KEY=…"


def test_a_remedy_is_where_the_mistake_is(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "bad.py").write_text("raise RuntimeError('out of paper')\n")
    (workspace / "config.toml").write_text(
        '[plugins.extractive]\nsentences = "secret:NOWHERE_KEY"\n[plugins.minilm]\nthread = 2\n'
    )
    done = hubbub("--workspace", workspace, "doctor", "--json")
    remedies = [each["remedy"] for each in json.loads(done.stdout) if each["what"] == "plugin"]
    assert sorted(remedies) == [
        f"edit {workspace / 'config.toml'}",
        "edit plugins/bad.py",
        "export NOWHERE_KEY=…",
    ]


def test_a_model_that_nobody_supplies_is_named(hubbub: Run, workspace: Path) -> None:
    config = '[models.writer]\nuse = ["clever:4", "extractive"]\n[models.judge]\nuse = ["clever:4"]\n'
    (workspace / "config.toml").write_text(config)
    done = hubbub("--workspace", workspace, "doctor", "--json")
    assert done.returncode == 1
    found = {
        each["sentence"].partition(":")[0]: each
        for each in json.loads(done.stdout)
        if each["what"] == "model"
    }
    assert (found["writer"]["state"], found["judge"]["state"]) == ("note", "bad")
    assert "no plugin supplies the provider clever" in found["judge"]["sentence"]
    assert "[models.judge]" in found["judge"]["remedy"]


def test_a_broken_configuration_is_the_only_thing_that_matters(hubbub: Run, workspace: Path) -> None:
    (workspace / "config.toml").write_text("[hub\n")
    done = hubbub("--workspace", workspace, "doctor")
    assert done.returncode == 1
    assert "config.toml:1" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere its package brings the library along")
def test_it_says_what_lightgbm_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "OPENMP", "libnothing.so.1")
    found = checks._openmp()
    assert found.state == "note"
    assert "libnothing.so.1 is not there" in found.sentence
