"""The plugins that come along pass the standard tests, as everybody's do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.cli.plugin_check import examine
from runtime.settings import Settings

PLUGINS = Path(__file__).parents[2] / "plugins"
ALONE = ["brand", "given"]
ALONE += ["citations", "dense", "extractive", "http", "hybrid", "injection", "json", "keyword", "mongo"]
ALONE += ["anomalies", "ask_measures", "charts", "number_check", "read_measures"]
ALONE += ["experiment", "lead", "notify", "office", "personal", "pii", "sql"]
"""Those that need no server, no vendor and no model."""


@pytest.mark.parametrize("name", ALONE)
def test_it_passes(name: str, tmp_path: Path) -> None:
    findings = list(examine(PLUGINS / f"{name}.py", Settings(workspace=tmp_path)))
    assert [finding for finding in findings if finding.state in ("failed", "warning")] == []
