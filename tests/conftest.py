"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real embedding models; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HUBBUB_MODELS") or ROOT.parent / "shared" / "models")
    if not (folder / "all-MiniLM-L6-v2" / "model.onnx").is_file():
        pytest.skip("no embedding model: set HUBBUB_MODELS to a folder that holds all-MiniLM-L6-v2")
    return folder
