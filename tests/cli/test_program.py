"""The program: quick to say what it can do, and every failure is a sentence."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from hub.cli.program import VERBS

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = {"aiohttp", "langgraph", "pydantic", "chromadb", "opentelemetry", "websockets", "numpy", "rich"}


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_loads_nothing_that_takes_long(verb: str) -> None:
    code = (
        "import sys\nfrom hub.cli import execute\n"
        f"code = execute({[*filter(None, [verb]), '--help']!r})\n"
        f"print('loaded:', *sorted({HEAVY!r} & set(sys.modules)))\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: hubbub {verb}".rstrip())
    assert done.stdout.endswith("loaded:\n")


@pytest.mark.parametrize(("verb", "sentence"), VERBS.items())
def test_help_says_of_each_verb_what_the_verb_says_of_itself(verb: str, sentence: str) -> None:
    assert import_module(f"hub.cli.{verb}").command.get_short_help_str(1000) == sentence


def test_the_program_needs_nothing_imported_before(workspace: Path) -> None:
    """The other tests fork theirs from a process that has imported it."""
    command = [sys.executable, "-m", "hub.cli", "--workspace", str(workspace), "run", "ask"]
    arguments = ["--input", '{"question": "Who keeps the south pier?"}']
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "answer" in json.loads(done.stdout)


def test_an_unknown_verb_is_a_mistake_of_usage(hubbub: Run) -> None:
    done = hubbub("sreve")
    assert done.returncode == 2
    assert "No such command 'sreve'" in done.stderr


def test_a_mistake_in_the_configuration_is_one_sentence_with_its_place(hubbub: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[hub]\nprot = 8765\n")
    done = hubbub("--workspace", tmp_path, "plugin", "list")
    assert done.returncode == 2
    assert "config.toml:2:1" in done.stderr
    assert "port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_traceback_of_an_error_is_there_for_whoever_asks(hubbub: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[hub]\nport = true\n")
    assert "Traceback" in hubbub("--workspace", tmp_path, "plugin", "list", HUBBUB_DEBUG="1").stderr


def test_a_setting_given_for_one_start_is_checked_like_the_others(hubbub: Run, workspace: Path) -> None:
    assert hubbub("--workspace", workspace, "--set", "hub.port=70000", "plugin", "list").returncode == 2
    assert hubbub("--workspace", workspace, "--set", "hub.port", "plugin", "list").returncode == 2
    assert hubbub("--workspace", workspace, "--set", "hub.port=7000", "plugin", "list").returncode == 0


def test_a_reader_that_leaves_early_is_no_error(workspace: Path) -> None:
    program = f"{sys.executable} -m hub.cli --workspace {workspace}"
    command = f"{program} plugin list --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_an_unforeseen_failure_is_a_sentence_too(hubbub: Run, workspace: Path) -> None:
    """Here a file that should be a folder."""
    (workspace / "var").mkdir()
    (workspace / "var" / "hubbub.db").mkdir()
    done = hubbub("--workspace", workspace, "events", "t1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
