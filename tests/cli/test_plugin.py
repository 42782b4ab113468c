"""`hubbub plugin`: what is broken is listed beside what is not; new plugins pass the tests they come with."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.cli.plugin_new import KINDS
from hubbub.testing.checking import TESTS
from tests.programs import Program

Run = Callable[..., subprocess.CompletedProcess[str]]
DEFECTS = Path(__file__).parents[1] / "kit" / "defects"


def test_a_broken_plugin_is_listed_with_its_error(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "bad.py").write_text("raise RuntimeError('out of paper')\n")
    done = hubbub("--workspace", workspace, "plugin", "list", "--json")
    assert done.returncode == 1
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["bad"]["state"] == "failed"
    assert "out of paper" in rows["bad"]["error"]
    assert rows["shout"]["state"] == "ready"
    assert set(rows["bad"]) == {"name", "kind", "file", "state", "error", "version", "supplies"}


def test_a_running_hub_says_how_its_plugins_are_there(
    hubbub: Run,
    workspace: Path,
    start: Callable[..., Program],
    wait_until_served: Callable[..., object],
) -> None:
    wait_until_served(workspace, start("--workspace", workspace, "serve", "--port", "0"))
    (workspace / "plugins" / "shout.py").write_text("def broken(:")
    state, rows = "", {}
    until = time.monotonic() + 60
    while state != "stale" and time.monotonic() < until:
        rows = {
            row["name"]: row
            for row in json.loads(hubbub("--workspace", workspace, "plugin", "list", "--json").stdout)
        }
        state = rows["shout"]["state"]
    assert state == "stale"
    assert rows["shout"]["error"].startswith("plugins/shout.py:1: SyntaxError")
    assert set(rows["shout"]) == {"name", "kind", "file", "state", "error", "version", "supplies"}


def test_the_table_is_for_people(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "plugin", "list")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[0].split()[:2] == ["name", "kind"]


def test_a_new_plugin_of_any_kind_passes_its_check_and_its_test(hubbub: Run, workspace: Path) -> None:
    assert set(KINDS) == set(TESTS)
    for kind in KINDS:
        made = hubbub("--workspace", workspace, "plugin", "new", kind, f"my_{kind}")
        assert made.returncode == 0, made.stderr
        assert f"plugin check {workspace}/plugins/my_{kind}.py" in made.stdout
    files = sorted((workspace / "plugins").glob("my_*.py"))
    checked = hubbub("--workspace", workspace, "plugin", "check", "--json", *files)
    findings = json.loads(checked.stdout)
    assert [finding for finding in findings if finding["state"] in ("failed", "warning")] == []
    assert {finding["subject"] for finding in findings} >= {f"{kind}.my_{kind}" for kind in KINDS}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", workspace / "tests"],
        cwd=workspace,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


def test_nothing_is_overwritten(hubbub: Run, workspace: Path) -> None:
    before = (workspace / "plugins" / "shout.py").read_text()
    done = hubbub("--workspace", workspace, "plugin", "new", "step", "shout")
    assert done.returncode == 2
    assert "is there already; choose another name" in done.stderr
    assert (workspace / "plugins" / "shout.py").read_text() == before
    assert not (workspace / "tests").exists()


@pytest.mark.parametrize("name", ["My", "my-tool", "../my", "1st", ""])
def test_a_name_that_cannot_be_one_is_refused(hubbub: Run, workspace: Path, name: str) -> None:
    done = hubbub("--workspace", workspace, "plugin", "new", "step", name)
    assert done.returncode == 2
    assert "cannot be a plugin's name" in done.stderr


def test_a_defect_is_told_with_its_test(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "plugin", "check", DEFECTS / "scorer_range.py")
    assert done.returncode == 1
    assert "failed  its answers are such as its kind allows: the value for {'employees': 700} is 1.4" in (
        done.stdout
    )


def test_a_file_that_cannot_be_loaded_says_why(hubbub: Run, workspace: Path) -> None:
    bad = workspace / "bad.py"
    bad.write_text("import nowhere_to_be_found\n")
    done = hubbub("--workspace", workspace, "plugin", "check", bad)
    assert done.returncode == 1
    assert "bad.py:1: it imports nowhere_to_be_found, which is not installed" in done.stdout


def test_a_plugin_is_shown_with_its_settings_and_parameters(hubbub: Run, workspace: Path) -> None:
    done = hubbub("--workspace", workspace, "plugin", "show", "minilm", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert {setting["name"]: setting["default"] for setting in row["settings"]} == {"threads": 2, "batch": 8}
    shown = hubbub("--workspace", workspace, "plugin", "show", "citations").stdout
    assert "step.citations: " in shown
    assert "from" in shown


def test_what_is_shown_holds_no_secret(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "vault.py").write_text(
        "from pydantic import BaseModel\nfrom hubbub import hookimpl\n"
        "class Settings(BaseModel):\n    key: str = ''\n"
        "class Vault:\n    name = 'vault'\n    class Params(BaseModel):\n        pass\n"
        "    async def run(self, state, params, ctx):\n        return ''\n"
        "@hookimpl\ndef register_steps(settings):\n    return [Vault()]\n"
    )
    (workspace / "config.toml").write_text('[plugins.vault]\nkey = "secret:VAULT_KEY"\n')
    for more in ([], ["--json"]):
        done = hubbub("--workspace", workspace, "plugin", "show", "vault", *more, VAULT_KEY="opensesame")
        assert done.returncode == 0, done.stderr
        assert "opensesame" not in done.stdout + done.stderr


def test_an_unknown_plugin_is_answered_with_the_nearest_name(hubbub: Run, workspace: Path) -> None:
    for verb in ("show", "disable"):
        done = hubbub("--workspace", workspace, "plugin", verb, "shuot")
        assert done.returncode == 1
        assert "did you mean shout?" in done.stderr


def test_disabling_changes_one_line_of_the_config(hubbub: Run, workspace: Path) -> None:
    config = workspace / "config.toml"
    before = config.read_text().splitlines()
    assert hubbub("--workspace", workspace, "plugin", "disable", "shout").returncode == 0
    after = config.read_text().splitlines()
    changed = [line for line in after if line not in before]
    assert len(changed) == 1
    assert changed[0].startswith('disabled = ["shout"]')
    rows = json.loads(hubbub("--workspace", workspace, "plugin", "list", "--json").stdout)
    assert next(row["state"] for row in rows if row["name"] == "shout") == "disabled"
    assert hubbub("--workspace", workspace, "plugin", "enable", "shout").returncode == 0
    assert config.read_text().splitlines() == before


def test_disabling_works_without_a_config(hubbub: Run, workspace: Path) -> None:
    (workspace / "config.toml").unlink()
    assert hubbub("--workspace", workspace, "plugin", "disable", "shout").returncode == 0
    assert (workspace / "config.toml").read_text() == '[plugins]\ndisabled = ["shout"]\n'


COMMANDS = """
import click
from hubbub import hookimpl

@click.command("greet")
@click.argument("name")
@click.pass_obj
def greet(target, name):
    click.echo(f"Hello {name}, in {target.workspace.name}")

@hookimpl
def register_commands():
    return [greet]
"""


def test_a_plugin_adds_a_command_to_the_program(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "greeting.py").write_text(COMMANDS)
    done = hubbub("--workspace", workspace, "greet", "Ann")
    assert (done.returncode, done.stdout) == (0, "Hello Ann, in space\n"), done.stderr
    assert "NAME" in hubbub("--workspace", workspace, "greet", "--help").stdout


def test_a_word_that_nobody_knows_is_a_mistake_of_usage(hubbub: Run, workspace: Path) -> None:
    (workspace / "plugins" / "greeting.py").write_text(COMMANDS.replace("return [greet]", "return [3]"))
    for config in ("", "[hub"):
        (workspace / "config.toml").write_text(config)
        done = hubbub("--workspace", workspace, "greet", "Ann")
        assert done.returncode == 2
        assert "No such command 'greet'" in done.stderr


def test_a_command_that_nobody_can_reach_is_said(hubbub: Run, workspace: Path) -> None:
    file = workspace / "plugins" / "greeting.py"
    file.write_text(COMMANDS.replace('command("greet")', 'command("chat")'))
    said = "hubbub has a verb chat itself, so the plugin's is never reached; rename it"
    listed = hubbub("--workspace", workspace, "plugin", "list", "--json")
    (row,) = (row for row in json.loads(listed.stdout) if row["name"] == "greeting")
    assert (row["state"], row["error"]) == ("ready", said)
    checked = hubbub("--workspace", workspace, "plugin", "check", file)
    assert checked.returncode == 1
    assert said in checked.stdout


def test_a_server_of_mcp_is_shown_in_its_own_words(hubbub: Run, workspace: Path) -> None:
    command = json.dumps([sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"])
    (workspace / "config.toml").write_text(f"[mcp.time]\ncommand = {command}\n")
    shown = hubbub("--workspace", workspace, "plugin", "show", "mcp_time")
    assert "tool.time_get_current_time: Get current time in a specific timezone" in shown.stdout, shown.stderr
    assert "timezone" in shown.stdout
