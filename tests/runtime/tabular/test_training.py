"""From a file to a model in its folder, and from there to scores."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from runtime.errors import InvalidInput, NotFound, StorageError
from runtime.inference.artifacts import Artifacts
from runtime.tabular.encoding import Encoder
from runtime.tabular.saving import put_version
from runtime.tabular.schema import read_schema
from runtime.tabular.scoring import TrainedModel, load_model
from runtime.tabular.training import Order, Trained, train
from runtime.tabular.training import write as put
from tests.runtime.tabular.conftest import make_leads, write_csv

Made = dict[str, list[str]]
Write = Callable[..., Path]


def train_order(path: Path, time: str) -> list[str]:
    """Return the times of the rows as they are taken."""
    from runtime.tabular.outcome import read_outcome
    from runtime.tabular.table import read_table
    from runtime.tabular.training import in_order

    table = read_table(path)
    cells = in_order(table, read_outcome(table, "won"), time)[0].columns["created"]
    return [cells.values[code] for code in cells.codes]


def trained(path: Path, **how: Any) -> Trained:
    return train(Order(path, "won", **{"time": "created", **how}), lambda _: None)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of the made-up leads."""
    return trained(write_csv(tmp_path_factory.mktemp("usual"), make_leads()))


@pytest.fixture(scope="module")
def model(usual: Trained, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """The same, read back from its folder."""
    return load_model(put(usual, tmp_path_factory.mktemp("models"), "lead"))


def test_a_version_has_its_model_schema_card_figures_and_picture(usual: Trained, tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert [put(usual, models, "lead").name for _ in range(2)] == ["1", "2"]
    folder = Artifacts(models).find("lead")
    assert {path.name for path in folder.iterdir()} == {
        "model.json",
        "schema.json",
        "evaluation.json",
        "card.md",
        "calibration.svg",
    }
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    schema = read_schema(folder)
    assert schema.names == ("employees", "source", "noise", "country")
    assert {each.column for each in schema.left_out} == {"won", "created", "lead_id"}
    figures = json.loads((folder / "evaluation.json").read_text())
    assert 0.7 < figures["random"]["auc"] < 0.9
    assert figures["rolling"]["before"] == 1_000
    text = (folder / "card.md").read_text()
    assert text.startswith("# lead, version 2\n")
    assert "logistic regression" in text


def test_leaks_are_left_out_unless_they_are_allowed(leads: Made, write: Write) -> None:
    columns = {**leads, "duration": ["300" if each == "yes" else "20" for each in leads["won"]]}
    path = write(columns)
    schema = trained(path, unknown=("noise",)).report.schema
    assert {each.column for each in schema.left_out if each.leak} == {"duration", "noise"}
    assert schema.names == ("employees", "source", "country")
    allowed = trained(path, allow=("duration",)).report
    assert "duration" in allowed.schema.names
    assert [each.column for each in allowed.schema.allowed] == ["duration"]
    assert allowed.random.auc > 0.99


def test_a_file_says_what_columns_are(leads: Made, write: Write, tmp_path: Path) -> None:
    described = tmp_path / "leads.columns.toml"
    described.write_text(
        '[noise]\ntype = "ignore"\n[source]\nknown = false\n[employees]\ntype = "category"\n'
    )
    schema = trained(write(leads), columns=described).report.schema
    assert [(each.name, each.kind) for each in schema.features] == [
        ("employees", "category"),
        ("country", "category"),
    ]
    for text, sentence in (
        ("[nois]\n", "no column nois .* did you mean noise"),
        ("[noise]\ntype = 'wish'\n", "is wrong at noise.type"),
        ("[noise\n", "is no TOML"),
    ):
        described.write_text(text)
        with pytest.raises((InvalidInput, NotFound), match=sentence):
            trained(write(leads), columns=described)


def test_rows_are_taken_in_the_order_of_their_time(leads: Made, write: Write) -> None:
    backwards = write({name: list(reversed(values)) for name, values in leads.items()})
    by_time, as_it_is = train_order(backwards, "created"), train_order(backwards, "")
    assert by_time == sorted(leads["created"])
    assert as_it_is == list(reversed(leads["created"]))
    for name, sentence in (("source", "has no dates and no numbers"), ("creatd", "did you mean created")):
        with pytest.raises((InvalidInput, NotFound), match=sentence):
            trained(write(leads), time=name)
    leads["created"][5] = ""
    with pytest.raises(InvalidInput, match="created is empty, or no time, in 1 rows"):
        trained(write(leads))


def test_a_date_before_the_row_counts_by_its_age(leads: Made, write: Write) -> None:
    registered = [f"2023{day[4:]}" for day in leads["created"]]
    path = write({**leads, "registered": registered})
    schema = trained(path).report.schema
    assert next(each for each in schema.features if each.name == "registered").kind == "age"
    assert "registered" not in trained(path, time="").report.schema.names


def test_money_is_a_number_in_training_and_for_a_lead(leads: Made, write: Write) -> None:
    sizes = [
        f"{float(size):,.2f}".translate(str.maketrans(",.", ".,")) if size else "k. A."
        for size in leads["employees"]
    ]
    made = trained(write({**leads, "employees": [f"{size} €" for size in sizes]})).report.schema
    assert next((each.name, each.kind, each.format) for each in made.features) == ("employees", "number", ",")
    encoder = Encoder(made)
    rows = [encoder.encode({"employees": size}).row[0] for size in (1200.5, "1.200,50 €", "1200,5", "1.200")]
    assert rows == [1200.5, 1200.5, 1200.5, 1200]


def test_ids_that_repeat_and_rows_without_an_outcome_are_said(leads: Made, write: Write) -> None:
    leads["lead_id"][:50] = leads["lead_id"][50:100]
    leads["won"][:10] = [""] * 10
    notes = trained(write(leads)).report.notes
    assert notes[0] == "10 rows have no outcome and were left out"
    assert notes[1] == (
        "lead_id repeats in 40 rows: they were kept on one side when the figures at random were measured"
    )


def test_when_no_column_is_left_it_is_said_why(leads: Made, write: Write) -> None:
    bare = {name: leads[name] for name in ("lead_id", "created", "won")}
    with pytest.raises(InvalidInput, match=r"No column is left to learn from .*lead_id: it numbers the rows"):
        trained(write(bare))


def test_reasons_and_base_are_together_the_log_odds(model: TrainedModel) -> None:
    lead = {"employees": 250, "source": "referral", "noise": "0.5", "country": "DE"}
    for most in (0, 1, 2, 4, 9):
        scored = model.score(lead, most)
        assert len(scored.reasons) == min(4, most) + (most < 4)
        total = scored.base + sum(reason.contribution for reason in scored.reasons)
        assert total == pytest.approx(scored.log_odds)
        assert scored.probability == pytest.approx(1 / (1 + math.exp(-total)))
    first, *_, rest = model.score(lead, 2).reasons
    assert first.sentence.startswith(
        f"{first.feature} is {first.value}, which raises the odds by the factor "
    )
    assert rest.feature == "other"
    assert rest.sentence.startswith("The other 2 features together ")


def test_a_better_lead_scores_higher(model: TrainedModel) -> None:
    good = model.score({"employees": 900, "source": "referral"}, 3)
    bad = model.score({"employees": 2, "source": "list"}, 3)
    assert good.probability > bad.probability
    assert good.percentile > 90 > 10 > bad.percentile


@pytest.mark.parametrize(
    ("lead", "warning"),
    [
        ({"source": "web"}, "employees, noise, country are missing"),
        (
            {"employees": 5, "noise": 1, "country": "DE", "source": "blimp"},
            "source is 'blimp', which was not",
        ),
        (
            {"employees": "many", "noise": 1, "country": "DE", "source": "web"},
            "employees is 'many', which is no",
        ),
        ({"employees": math.inf, "noise": 1, "country": "DE", "source": "web"}, "employees is not finite"),
        ({"employees": [5], "noise": 1, "country": "DE", "source": "web"}, "employees is a list"),
        ({"employees": 10**400, "noise": 1, "country": "DE", "source": "web"}, "employees is not finite"),
        ({"employees": math.nan, "noise": 1, "country": "DE", "source": "web"}, "employees is not finite"),
    ],
)
def test_what_is_missing_unseen_or_absurd_is_scored_and_said(
    model: TrainedModel, lead: dict[str, Any], warning: str
) -> None:
    scored = model.score(lead, 3)
    assert 0 < scored.probability < 1
    assert any(each.startswith(warning) for each in scored.warnings)
    orjson.dumps([reason.value for reason in model.score(lead, 9).reasons])


def test_values_are_taken_as_json_and_as_csv_write_them(model: TrainedModel) -> None:
    one = model.score({"employees": 250, "source": "web", "noise": 0.5, "country": "DE"}, 3)
    same = model.score({"employees": "250,0", "source": " WEB ", "noise": "0.5", "country": "de"}, 3)
    assert (one.probability, same.warnings) == (same.probability, ())


def test_a_lead_without_any_feature_is_refused(model: TrainedModel) -> None:
    with pytest.raises(
        InvalidInput, match="has salary and none of the features of the model; give it employees"
    ):
        model.score({"salary": 1}, 3)
    with pytest.raises(InvalidInput, match="The lead is empty"):
        model.score({}, 3)


def test_an_age_is_counted_from_the_leads_own_time_or_from_now(
    leads: Made, write: Write, tmp_path: Path
) -> None:
    registered = [f"2023-{1 + row % 12:02d}-01" for row in range(len(leads["won"]))]
    path = write({**leads, "registered": registered})
    model = load_model(put(trained(path), tmp_path / "models", "lead"))
    place = model.schema.names.index("registered")
    assert model.score({"registered": "2024-01-01", "created": "2024-01-31"}, 1).row[place] == 30
    now = (datetime.now(UTC) - datetime(2024, 1, 1, tzinfo=UTC)).days
    assert int(model.score({"registered": "2024-01-01"}, 1).row[place]) in (now, now + 1)
    odd = model.score({"registered": "2024-01-01", "created": "soon"}, 1)
    assert any(each.startswith("created is 'soon', which is no date") for each in odd.warnings)


@pytest.mark.parametrize("damaged", ["", "{}", "[1", '{"algorithm": "pickle"}'])
def test_a_folder_that_is_no_model_is_said(tmp_path: Path, damaged: str) -> None:
    with pytest.raises(StorageError, match="is no model that `hubbub train` made"):
        load_model(tmp_path)
    (tmp_path / "schema.json").write_text(damaged)
    with pytest.raises(StorageError, match="damaged at"):
        load_model(tmp_path)


def test_what_a_killed_training_left_is_never_a_version_and_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / "lead" / ".new-999999999"
    left.mkdir(parents=True)
    (left / "model.txt").write_text("half")
    assert Artifacts(tmp_path).versions("lead") == []
    folder = put_version(tmp_path, "lead", lambda version: {"a": str(version)})
    assert (folder.name, [path.name for path in folder.parent.iterdir()]) == ("1", ["1"])


def test_a_version_that_somebody_else_was_quicker_with_is_not_replaced(tmp_path: Path) -> None:
    def files(version: int) -> dict[str, str]:
        other = tmp_path / "lead" / "1"
        if not other.exists():
            other.mkdir()
            (other / "a").write_text("theirs")
        return {"a": f"ours {version}"}

    assert put_version(tmp_path, "lead", files).name == "2"
    assert [(tmp_path / "lead" / n / "a").read_text() for n in "12"] == ["theirs", "ours 2"]


def test_a_training_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def files(version: int) -> dict[str, str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_version(tmp_path, "lead", files)
    assert list((tmp_path / "lead").iterdir()) == []
