"""`hubbub train lead` trains, names what leaks, and says in a sentence what is in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Program
from tests.runtime.tabular.conftest import make_leads, write_csv

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Program]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of leads with a column that leaks."""
    leads = make_leads()
    leads["duration"] = ["300" if each == "yes" else "20" for each in leads["won"]]
    return write_csv(tmp_path_factory.mktemp("data"), leads)


@pytest.fixture(scope="module")
def space(hubbub: Run, tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Path, str]:
    """A workspace in which a model was trained, and what was printed."""
    folder = tmp_path_factory.mktemp("trained") / "space"
    assert hubbub("init", folder).returncode == 0
    done = hubbub("--workspace", folder, "train", "lead", data, "--label", "won", "--time", "created")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_prints_the_leaks_the_figures_and_the_calibration(space: tuple[Path, str]) -> None:
    folder, said = space
    assert "2,000 rows, 400 of them won = yes" in said
    assert "LEAK  duration: " in said
    assert "left out (--allow duration lets it in)" in said
    for figure in ("AUC", "average precision", "Brier score", "ECE", "lift of the best 10 %", "foreseen"):
        assert figure in said
    assert (folder / "models" / "lead" / "1" / "card.md").is_file()


def test_a_refresh_trains_again_as_before_and_is_for_programs_too(
    hubbub: Run, space: tuple[Path, str]
) -> None:
    done = hubbub("--workspace", space[0], "train", "lead", "--refresh", "--allow", "duration", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["model"], told["version"], told["algorithm"]) == ("lead", "2", "logistic")
    assert "duration" in told["features"]
    assert told["leaks"] == []
    assert [each["column"] for each in told["allowed"]] == ["duration"]
    assert told["evaluation"]["rolling"]["before"] == 1_000


def test_the_model_scores_in_a_graph(hubbub: Run, space: tuple[Path, str]) -> None:
    lead = {"lead": {"employees": 900, "source": "referral"}}
    done = hubbub("--workspace", space[0], "run", "score_lead", "--input", json.dumps(lead))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 0 < told["score"] < 1
    assert told["route"] in ("sales", "nurture", "wait")
    assert told["reasons"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--label", "wonn"], 1, "There is no column wonn for the label; did you mean won?"),
        (["--label", "won", "--allow", "durations"], 1, "did you mean duration?"),
        (["--label", "country"], 1, "name the one to foresee with --positive VALUE"),
        ([], 2, "Name it with --label COLUMN"),
        (["--label", "won", "--name", "../x"], 2, "is no name"),
        (["--refresh", "--name", "other"], 1, "There is no trained model other"),
    ],
)
def test_what_is_in_the_way_is_a_sentence(
    hubbub: Run, space: tuple[Path, str], data: Path, arguments: list[str], code: int, sentence: str
) -> None:
    done = hubbub("--workspace", space[0], "train", "lead", data, *arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_training_that_is_stopped_leaves_nothing(
    hubbub: Run, start: Start, tmp_path: Path, how: signal.Signals
) -> None:
    assert hubbub("init", tmp_path / "space").returncode == 0
    pipe = tmp_path / "leads.csv"
    os.mkfifo(pipe)
    process = start("--workspace", tmp_path / "space", "train", "lead", pipe, "--label", "won")
    with pipe.open("wb"):  # it has opened the other end, and waits
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, ours + 10)
        process.send_signal(how)
        process.communicate()
    assert process.returncode in (130, -how)
    assert not (tmp_path / "space" / "models").exists()
