"""A hub that runs, with a workspace of storytellers, for clients that are programs of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.lock import holder

WORKSPACE = Path(__file__).parent / "workspace"


@dataclass(frozen=True)
class Served:
    """Where a hub serves, and what its clients need to start one of their own."""

    url: str
    workspace: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a client program is told."""
        return {
            **_environment(),
            "HUBBUB_URL": self.url,
            "HUBBUB_WORKSPACE": str(WORKSPACE),
            "HUBBUB_PYTHON": sys.executable,
        }


def _environment() -> dict[str, str]:
    """No model and no settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HUBBUB_", "OTEL_"))}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A hub in a process of its own."""
    folder = tmp_path_factory.mktemp("clients") / "workspace"
    shutil.copytree(WORKSPACE, folder, ignore=shutil.ignore_patterns("var"))
    command = [sys.executable, "-m", "hub.cli", "--workspace", str(folder), "serve", "--port", "0"]
    log = (folder.parent / "hub.log").open("w+")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
    try:
        yield Served(_url(folder, process), folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        finally:
            process.kill()


def _url(folder: Path, process: subprocess.Popen[bytes]) -> str:
    while process.poll() is None:
        owner = holder(folder / "var")
        if owner and owner.url:
            return owner.url
        time.sleep(0.02)
    raise AssertionError((folder.parent / "hub.log").read_text())
