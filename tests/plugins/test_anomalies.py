"""step.anomalies finds planted days, and few others in noise of many kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from hubbub.testing import FakeContext, StepTests
from plugins.anomalies import Anomalies, Series

TODAY = date(2025, 6, 1)
WEEK = (1.0, 1.0, 1.0, 1.0, 1.0, 0.4, 0.3)
DAYS = 63
SEEDS = 60
Made = tuple[Sequence[float], Sequence[int]]


class TestAnomalies(StepTests):
    def make(self) -> Anomalies:
        return Anomalies()


def _week(days: int = DAYS) -> Any:
    return np.array([WEEK[(TODAY - timedelta(days - place)).weekday()] for place in range(days)])


def _number(kind: str, values: Sequence[float], n: Sequence[int] | None = None, unit: str = "calls") -> Any:
    counts = [1] * len(values) if n is None else n
    rows = [
        {"day": (TODAY - timedelta(len(values) - place)).isoformat(), "value": float(value), "n": int(count)}
        for place, (value, count) in enumerate(zip(values, counts, strict=True))
    ]
    first = (TODAY - timedelta(7)).isoformat()
    about = {"name": kind, "about": kind, "unit": unit, "kind": kind, "graph": ""}
    return {**about, "first": first, "last": TODAY.isoformat(), "series": rows}


def judge(*numbers: Any, **more: Any) -> Any:
    params = Series(numbers=list(numbers), today=TODAY.isoformat(), **more)
    return Anomalies().run({}, params, FakeContext())


def _calls(chance: Any) -> Any:
    return _number("count", chance.poisson(100 * _week()))


def _bursts(chance: Any) -> Any:
    mean = 80 * _week()
    return _number("count", chance.negative_binomial(5, 5 / (5 + mean)))


def _rare(chance: Any) -> Any:
    return _number("count", chance.poisson(1.5 * _week()))


def _growth(chance: Any) -> Any:
    return _number("count", chance.poisson(50 * _week() * np.linspace(1, 2, DAYS)))


def _costs(chance: Any) -> Any:
    return _number("amount", np.exp(chance.normal(0, 0.5, DAYS)) * _week(), unit="USD")


def _failures(chance: Any) -> Any:
    n = chance.poisson(60 * _week()) + 1
    return _number("share", chance.binomial(n, 0.05) / n, n, "share")


def _scores(chance: Any) -> Any:
    n = chance.poisson(30 * _week()) + 1
    return _number("mean", [chance.beta(2, 5, count).mean() for count in n], n, "score")


@pytest.mark.parametrize("noise", [_calls, _bursts, _rare, _growth, _costs, _failures, _scores])
def test_noise_is_seldom_taken_for_more(noise: Callable[[Any], Any]) -> None:
    """At a level of 1 % three alarms in sixty questions would be many."""
    found = [judge(noise(np.random.default_rng(seed))) for seed in range(SEEDS)]
    assert all(each["tested"] == 7 for each in found)
    assert sum(bool(each["anomalies"]) for each in found) <= 3


@pytest.mark.parametrize(
    ("noise", "place", "value"),
    [(_calls, -3, 250.0), (_calls, -6, 20.0), (_bursts, -4, 900.0), (_costs, -5, 25.0), (_failures, -4, 0.4)],
)
def test_a_planted_day_is_found_and_told_with_its_figures(noise: Any, place: int, value: float) -> None:
    for seed in range(10):
        number = noise(np.random.default_rng(seed))
        number["series"][place]["value"] = value
        found = judge(number)["anomalies"]
        (planted,) = [each for each in found if each["day"] == number["series"][place]["day"]]
        assert planted["observed"] == value
        assert (planted["expected"] < value) == ("more than" in planted["sentence"])
        assert planted["n"] >= 45
        assert planted["p"] < 0.01
        assert planted["sentence"].startswith(f"{planted['day']} stands out: ")


def test_a_day_long_past_does_not_hide_todays() -> None:
    number = _calls(np.random.default_rng(1))
    number["series"][20]["value"] = 5000.0
    number["series"][-2]["value"] = 300.0
    assert [each["day"] for each in judge(number)["anomalies"]] == [number["series"][-2]["day"]]


def test_the_more_is_tested_the_more_it_takes() -> None:
    """Benjamini and Hochberg: the same day that stands out alone does not among a hundred quiet figures."""
    number = _calls(np.random.default_rng(3))
    expected = 100.0
    for value in np.arange(expected, 2 * expected):
        number["series"][-4]["value"] = float(value)
        if judge(number)["anomalies"]:
            break
    quiet = [_calls(np.random.default_rng(100 + seed)) for seed in range(30)]
    assert judge(number, *quiet)["anomalies"] == []


def test_too_little_before_is_said_and_not_guessed() -> None:
    short = _calls(np.random.default_rng(1))
    short["series"] = short["series"][-30:]
    assert judge(short) == {"anomalies": [], "tested": 0, "untested": ["count"], "summary": ""}
    empty = {**short, "series": []}
    assert judge(empty)["untested"] == ["count"]


def test_the_day_that_is_not_over_is_not_judged() -> None:
    number = _calls(np.random.default_rng(1))
    number["series"].append({"day": TODAY.isoformat(), "value": 0.0, "n": 0})
    number["first"] = TODAY.isoformat()
    assert judge(number)["tested"] == 0


def test_days_without_a_row_had_none() -> None:
    number = _calls(np.random.default_rng(1))
    gone = number["series"].pop(-3)
    (found,) = judge(number)["anomalies"]
    assert (found["day"], found["observed"]) == (gone["day"], 0.0)


def test_what_never_changes_is_no_reason_for_alarm() -> None:
    for kind, unit in (("count", "calls"), ("amount", "USD"), ("mean", "seconds")):
        assert judge(_number(kind, [7.0] * DAYS, unit=unit))["anomalies"] == []
    assert judge(_number("share", [0.0] * DAYS, [3] * DAYS, "share"))["anomalies"] == []


def test_sentences_follow_those_that_were_there() -> None:
    number = _calls(np.random.default_rng(1))
    number["series"][-3]["value"] = 400.0
    found = judge(number, summary="Calls: 700.")
    assert found["summary"].splitlines()[0] == "Calls: 700."
    assert len(found["summary"].splitlines()) == 2
