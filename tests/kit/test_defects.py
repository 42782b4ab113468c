"""The standard tests find what is wrong with a plugin, by the test that is meant for it, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubbub.testing import load
from hubbub.testing.checking import TESTS, Outcome, check

HERE = Path(__file__).parent
DEFECTS = sorted((HERE / "defects").glob("*.py"))
GOOD = sorted((HERE / "good").glob("*.py"))


def _checked(file: Path) -> list[Outcome]:
    kind = file.stem.partition("_")[0]
    return list(check(kind, lambda: load(file, kind)))


@pytest.mark.parametrize("file", DEFECTS, ids=lambda file: file.stem)
def test_a_defect_is_found_by_the_tests_that_are_meant_for_it(file: Path) -> None:
    told = re.search(r"Found by: (.+?)\.\n\"\"\"", file.read_text(), re.DOTALL)
    assert told
    expected = {name.strip() for name in " ".join(told[1].split()).split(";")}
    failed = {each.test: each.reason for each in _checked(file) if each.state == "failed"}
    assert failed.keys() == expected, failed
    assert all("; " in reason for reason in failed.values()), "a sentence ends with what to do"


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_what_is_right_passes(file: Path) -> None:
    outcomes = _checked(file)
    assert [each for each in outcomes if each.state == "failed"] == []
    assert sum(each.state == "passed" for each in outcomes) >= 6


def test_every_kind_has_a_good_twin_and_defects() -> None:
    assert {file.stem for file in GOOD} == set(TESTS)
    assert {file.stem.partition("_")[0] for file in DEFECTS} == set(TESTS)
