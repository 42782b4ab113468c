"""At the start of a hub it is said which candidates nobody will ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.settings import ModelAlias
from tests.runtime.runs.conftest import World


async def test_a_candidate_without_its_key_is_named_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    world = World(tmp_path)
    alias = ModelAlias.model_validate({"use": ["anthropic:claude-sonnet-4-5", "extractive"]})
    engine = await world.open(models={"judge": alias})
    assert engine.gateway.aliases()["judge"].usable == ("extractive",)
    await engine.aclose()
    (told,) = [record for record in caplog.records if "candidate skipped" in record.getMessage()]
    assert "ANTHROPIC_API_KEY" in str(vars(told))
