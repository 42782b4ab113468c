"""scorer.lead scores with what was trained: newer versions, other leads, other tenants, damaged folders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hubbub import InvalidInput, NotFound
from hubbub.testing import FakeContext, ScorerTests
from hubbub.testing.subject import Subject
from plugins.lead import Lead, Params
from runtime.engine import open_engine
from runtime.errors import StorageError
from runtime.runs.run import StartRun
from runtime.settings import InferenceSettings, PluginsSettings, Settings
from runtime.tabular.training import Order, Trained, train, write
from tests.runtime.tabular.conftest import make_leads, write_csv

GOOD = {"employees": 900, "source": "referral", "noise": 0.1, "country": "DE"}
BAD = {"employees": 2, "source": "list", "noise": 0.1, "country": "FR"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of made-up leads."""
    path = write_csv(tmp_path_factory.mktemp("data"), make_leads())
    return train(Order(path, "won", time="created"), lambda _: None)


@pytest.fixture
def models(trained: Trained, tmp_path: Path) -> Path:
    """A folder of models with one version of `lead`."""
    write(trained, tmp_path / "models", "lead")
    return tmp_path / "models"


def ask(scorer: Lead, models: Path, item: Any = GOOD, tenant: str = "one", **params: Any) -> Any:
    return scorer.score(item, FakeContext(models=models, tenant=tenant, params=Params(**params)))


class TestLead(ScorerTests):
    examples = (GOOD, BAD)
    models: Path

    @pytest.fixture(autouse=True)
    def _with_models(self, models: Path) -> None:
        self.models = models

    def make(self) -> Lead:
        return Lead()

    def context(self, subject: Subject, **given: Any) -> FakeContext:
        return super().context(subject, models=self.models, **given)


def test_the_answer_has_all_that_is_promised(models: Path) -> None:
    score = ask(Lead(), models, reasons=2)
    details = score.details
    assert set(details) == {
        *(
            "probability",
            "percentile",
            "tier",
            "model",
            "model_version",
            "base",
            "log_odds",
            "drift",
            "warnings",
        )
    }
    assert (details["probability"], details["tier"], details["model_version"]) == (score.value, "hot", "1")
    assert [set(reason) for reason in score.reasons] == [{"feature", "value", "contribution", "sentence"}] * 3
    total = details["base"] + sum(reason["contribution"] for reason in score.reasons)
    assert total == pytest.approx(details["log_odds"])
    assert ask(Lead(), models, BAD).details["tier"] == "cold"
    assert ask(Lead(), models, BAD, warm=0).details["tier"] == "warm"


def test_a_new_version_scores_from_the_next_lead_on_and_an_old_one_can_be_asked_for(
    models: Path, trained: Trained
) -> None:
    scorer = Lead()
    assert ask(scorer, models).details["model_version"] == "1"
    write(trained, models, "lead")
    assert ask(scorer, models).details["model_version"] == "2"
    assert ask(scorer, models, version="1").details["model_version"] == "1"


def test_many_threads_get_the_same_score_while_versions_come(models: Path, trained: Trained) -> None:
    scorer = Lead()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, scorer, models) for _ in range(100)]
        write(trained, models, "lead")
        scores = [each.result() for each in asked]
    assert len({score.value for score in scores}) == 1
    assert {score.details["model_version"] for score in scores} <= {"1", "2"}


def test_without_a_model_it_is_said_how_to_make_one(tmp_path: Path, models: Path) -> None:
    with pytest.raises(NotFound, match=r"`hubbub train lead DATA.csv --label COLUMN --name lead` makes one"):
        ask(Lead(), tmp_path / "none")
    with pytest.raises(NotFound, match="no version 7; take one of 1"):
        ask(Lead(), models, version="7")


@pytest.mark.parametrize("file", ["schema.json", "model.json"])
def test_a_damaged_folder_is_said_and_the_version_before_still_scores(
    models: Path, trained: Trained, file: str
) -> None:
    folder = write(trained, models, "lead")
    (folder / file).write_text((folder / file).read_text()[:-40])
    with pytest.raises(StorageError, match="damaged"):
        ask(Lead(), models)
    assert ask(Lead(), models, version="1").value > 0


def test_what_is_no_lead_is_refused(models: Path) -> None:
    with pytest.raises(InvalidInput, match="the lead is a str; give an object"):
        ask(Lead(), models, "Ann")


def test_a_shift_is_said_in_the_score_the_log_and_the_health_and_each_tenant_has_its_own(
    models: Path,
) -> None:
    scorer = Lead()
    context = FakeContext(models=models, tenant="one", params=Params())
    levels = [scorer.score(GOOD, context).details["drift"]["level"] for _ in range(300)]
    assert (levels[0], levels[-1]) == ("gathering", "shifted")
    assert [event for _, event, _ in context.log.lines] == ["leads have shifted"]
    health = scorer.check()
    assert not health.ok
    assert "hubbub train lead --refresh" in health.detail
    assert ask(scorer, models, tenant="two").details["drift"]["level"] == "gathering"


async def test_the_graph_scores_in_a_hub_and_the_shift_is_a_metric(models: Path, tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    text = (Path(__file__).parents[2] / "graphs" / "score_lead.toml").read_text()
    (tmp_path / "graphs" / "score_lead.toml").write_text(text)
    settings = Settings(
        workspace=tmp_path,
        inference=InferenceSettings(folder=models),
        plugins=PluginsSettings(folder=tmp_path / "plugins"),
    )
    storage = settings.storage.model_copy(update={"path": tmp_path / "var"})
    engine = await open_engine(settings.model_copy(update={"storage": storage}))
    try:
        for number in range(201):
            asked = StartRun("default", "score_lead", thread=f"t{number}", input={"lead": GOOD})
            run = await engine.runs.start(asked)
            ended = await engine.runs.wait("default", run.id)
        assert ended.output
        assert ended.output["route"] == "sales"
        assert ended.output["drift"]["level"] == "shifted"
        assert b'hubbub_score_drift{model="lead",tenant="default"}' in engine.telemetry.render()
    finally:
        await engine.aclose()
