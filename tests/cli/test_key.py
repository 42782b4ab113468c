"""`hubbub key`: shown once, kept as a hash, the same with and without a hub."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=["alone", "beside a hub"])
def space(request: pytest.FixtureRequest) -> Path:
    """A workspace, once without and once with a hub."""
    if request.param == "alone":
        return request.getfixturevalue("workspace")  # type: ignore[no-any-return]
    return request.getfixturevalue("served").workspace  # type: ignore[no-any-return]


def test_a_key_is_made_listed_and_revoked(hubbub: Run, space: Path) -> None:
    made = hubbub("--workspace", space, "key", "new", "website", "--tenant", "acme", "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    listed = hubbub("--workspace", space, "key", "list", "--json")
    assert _of(listed.stdout, key["id"])["tenant"] == "acme"
    assert _of(listed.stdout, key["id"])["revoked"] is False
    assert hubbub("--workspace", space, "key", "revoke", key["id"]).returncode == 0
    assert _of(hubbub("--workspace", space, "key", "list", "--json").stdout, key["id"])["revoked"] is True


def test_a_key_is_bounded_and_the_list_says_so(hubbub: Run, space: Path) -> None:
    bounds = ("--requests", "60", "--tokens", "5000", "--budget", "2.5", "--per", "month")
    made = hubbub("--workspace", space, "key", "new", "website", *bounds, "--json")
    assert made.returncode == 0, made.stderr
    listed = _of(hubbub("--workspace", space, "key", "list", "--json").stdout, json.loads(made.stdout)["id"])
    assert listed["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": 5000,
        "budget_usd": 2.5,
        "budget_per": "month",
    }
    shown = hubbub("--workspace", space, "key", "list").stdout
    for words in ("60 requests/min", "5,000", "$2.5/month"):
        assert words in " ".join(shown.split())


def test_the_text_of_a_key_is_kept_nowhere(hubbub: Run, workspace: Path) -> None:
    made = hubbub("--workspace", workspace, "key", "new", "website")
    secret = made.stdout.strip().split("_", 2)[2]
    assert len(secret) > 30
    for file in workspace.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
    assert secret not in hubbub("--workspace", workspace, "key", "list").stdout


def test_an_unknown_key_cannot_be_revoked(hubbub: Run, space: Path) -> None:
    done = hubbub("--workspace", space, "key", "revoke", "nothing")
    assert done.returncode == 1
    assert "There is no key nothing" in done.stderr


def _of(listed: str, id: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(listed)
    return next(row for row in rows if row["id"] == id)
