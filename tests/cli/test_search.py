"""`hubbub search`: the same verb and the same output with and without a hub."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def labels(tmp_path: Path) -> tuple[Path, Path]:
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    queries.write_text('{"id": "q1", "text": "Who keeps the south pier?"}\n{"id": "q2", "text": "engine"}\n')
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\tpapers/lanterns.md\t1\nq2\tpapers/gone.md\t1\n")
    return queries, qrels


def test_search_is_measured_alone_and_beside_a_hub(
    hubbub: Run, workspace: Path, served: Any, labels: tuple[Path, Path]
) -> None:
    assert hubbub("--workspace", workspace, "index", workspace / "papers").returncode == 0
    alone = hubbub("--workspace", workspace, "search", "eval", *labels)
    beside = hubbub("--workspace", served.workspace, "search", "eval", *labels)
    assert beside.returncode == alone.returncode == 0, alone.stderr + beside.stderr
    assert (beside.stdout, beside.stderr) == (alone.stdout, alone.stderr)
    assert alone.stdout.splitlines()[-1].split() == ["keyword", "0.5000", "0.5000", "0.5000", "0.5000"]
    assert "papers/gone.md" in alone.stderr
    report = json.loads(hubbub("--workspace", workspace, "search", "eval", *labels, "--json").stdout)
    assert report["modes"]["keyword"]["mrr"] == 0.5
    assert len(report["warnings"]) == 2


def test_what_cannot_be_measured_is_a_sentence_alone_and_beside_a_hub(
    hubbub: Run, workspace: Path, served: Any, labels: tuple[Path, Path]
) -> None:
    queries, qrels = labels
    asked = [
        (["eval", queries, qrels, "--collection", "none"], "is empty"),
        (["eval", queries, queries], "is no judgement"),
        (["tune", *labels], "at least 20"),
        (["eval", queries, queries.parent / "none.tsv"], "There is no file"),
    ]
    for arguments, said in asked:
        for place in (workspace, served.workspace):
            done = hubbub("--workspace", place, "search", *arguments)
            assert (done.returncode, done.stdout) == (1, "")
            assert said in done.stderr
            assert "Traceback" not in done.stderr
