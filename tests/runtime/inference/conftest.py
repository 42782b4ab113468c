"""A folder of models, and what a call is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubbub.testing import FakeContext


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder of models."""
    made = tmp_path / "models"
    made.mkdir()
    return made


@pytest.fixture
def ctx() -> Any:
    """Return the context of a call."""
    return FakeContext()
