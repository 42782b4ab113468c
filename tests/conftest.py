"""What every test may use."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.programs import Nursery

# A machine that is busy makes examples slowly, which is no mistake of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real embedding models; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HUBBUB_MODELS") or ROOT.parent / "shared" / "models")
    if not (folder / "all-MiniLM-L6-v2" / "model.onnx").is_file():
        pytest.skip("no embedding model: set HUBBUB_MODELS to a folder that holds all-MiniLM-L6-v2")
    return folder


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """The process that forks the programs."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.close()


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `langgraph.json` of a copy of the application; what importing it does to the process is undone."""
    folder = tmp_path / "application"
    shutil.copytree(ROOT / "tests" / "application", folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return folder / "langgraph.json"
