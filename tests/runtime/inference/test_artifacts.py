"""A trained model is found by its name, the newest whole version first, and nothing outside is reached."""

import os
from pathlib import Path

import pytest

from hubbub.testing import FakeContext
from runtime.config import load_settings
from runtime.errors import NotFound
from runtime.inference.artifacts import Artifacts


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    made = Artifacts(tmp_path / "models")
    for version in ("lead/1", "lead/2", "lead/10", "churn/1"):
        (made.folder / version).mkdir(parents=True)
    return made


def test_the_newest_version_is_the_highest_number(artifacts: Artifacts) -> None:
    assert artifacts.find("lead") == artifacts.folder / "lead" / "10"
    assert artifacts.find("lead", "2") == artifacts.folder / "lead" / "2"
    assert artifacts.names() == ["churn", "lead"]
    assert list(artifacts.versions("lead")) == [1, 2, 10]


def test_a_version_that_is_being_written_is_none(artifacts: Artifacts) -> None:
    for name in ("11.partial", ".11", "011", "-11", "eleven", "0"):
        (artifacts.folder / "lead" / name).mkdir()
    (artifacts.folder / "lead" / "12").write_text("a file is no version")
    assert list(artifacts.versions("lead")) == [1, 2, 10]


def test_a_version_that_is_put_in_place_is_seen_by_the_next_call(artifacts: Artifacts) -> None:
    lead = artifacts.folder / "lead"
    assert artifacts.find("lead").name == "10"
    for version in range(11, 40):
        (lead / "next").mkdir()
        (lead / "next").rename(lead / str(version))
        assert artifacts.find("lead").name == str(version)
    (lead / "39").rmdir()
    assert artifacts.find("lead").name == "38"


def test_a_folder_that_does_not_change_is_listed_once(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(artifacts.folder / "lead", (1, 1))
    assert artifacts.find("lead").name == "10"

    def nobody(*args: object) -> None:
        raise AssertionError("it was listed again")

    monkeypatch.setattr(os, "scandir", nobody)
    assert artifacts.find("lead").name == "10"


def test_what_is_not_there_is_named_with_what_is(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no trained model leed; take one of churn, lead\.$"):
        artifacts.find("leed")
    with pytest.raises(NotFound, match=r"model lead has no version 3; take one of 1, 2, 10\.$"):
        artifacts.find("lead", "3")
    with pytest.raises(NotFound, match=r"put one into \[inference\] folder, as NAME/1\.$"):
        Artifacts(tmp_path / "nowhere").find("lead")


@pytest.mark.parametrize("name", ["", ".", "..", "../models/lead", "lead/1", "/etc", "lead\0", "lead\n", "é"])
def test_a_name_leads_nowhere_but_into_the_folder(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(NotFound):
        artifacts.find(name)
    with pytest.raises(NotFound):
        artifacts.find("lead", f"../{name}")


def test_the_folder_of_the_settings_is_in_the_workspace(tmp_path: Path) -> None:
    assert load_settings(tmp_path).inference.folder == tmp_path / "models"
    (tmp_path / "config.toml").write_text('[inference]\nfolder = "trained"\n')
    assert load_settings(tmp_path).inference.folder == tmp_path / "trained"


def test_a_plugin_is_tested_with_a_folder_of_models(artifacts: Artifacts) -> None:
    assert FakeContext(models=artifacts.folder).artifact("lead").name == "10"
    with pytest.raises(NotFound, match="give the context a folder"):
        FakeContext().artifact("lead")
