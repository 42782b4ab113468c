"""Columns that give the outcome away are named with their evidence, honest ones are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from runtime.tabular.columns import read_column
from runtime.tabular.leaks import Leak, find_leaks
from runtime.tabular.table import Cells
from tests.runtime.tabular.conftest import make_leads

Made = dict[str, list[str]]
Won = np.ndarray[tuple[int], np.dtype[np.bool_]]
random = np.random.default_rng(11)


def leaks_of(columns: Made, *, time: str = "", unknown: frozenset[str] = frozenset()) -> dict[str, Leak]:
    made = {}
    for name, texts in columns.items():
        values = list(dict.fromkeys(texts))
        places = {value: place for place, value in enumerate(values)}
        codes = np.array([places[text] for text in texts], dtype=np.int32)
        made[name] = read_column(name, Cells(values, codes))
    outcome = np.array([each == "yes" for each in columns["won"]], dtype=np.int8)
    moment = made.get(time)
    asked = [column for name, column in made.items() if name not in ("won", time)]
    return {leak.column: leak for leak in find_leaks(asked, outcome, time=moment, unknown=unknown)}


def flipped(won: Won, share: float) -> list[str]:
    return [str(int(each ^ (random.random() < share))) for each in won]


PLANTED: dict[str, tuple[Callable[[Won], list[str]], str]] = {
    "a copy": (lambda won: ["true" if each else "false" for each in won], "filled|value|auc"),
    "a copy with a tenth of noise": (lambda won: flipped(won, 0.1), "auc"),
    "a number that follows": (lambda won: [f"{random.normal() + 2 * each:.3f}" for each in won], "auc"),
    "a call that lasts": (
        lambda won: [f"{abs(random.normal()) * (1 + 3 * each):.1f}" for each in won],
        "auc",
    ),
    "filled for all that won": (lambda won: ["9" if each else "" for each in won], "filled"),
    "filled for some that won": (
        lambda won: [f"{random.random():.4f}" if each and random.random() < 0.3 else "" for each in won],
        "filled",
    ),
    "zero unless some won": (
        lambda won: [f"{random.integers(1, 99)}" if each and random.random() < 0.3 else "0" for each in won],
        "filled",
    ),
    "why it was lost": (
        lambda won: ["" if each or random.random() < 0.4 else "price" for each in won],
        "filled|auc",
    ),
    "a stage that some reach": (
        lambda won: [
            "signed" if each and random.random() < 0.4 else random.choice(["a", "b"]) for each in won
        ],
        "value",
    ),
    "a note": (
        lambda won: [
            f"call {n} {'they signed' if each else 'no answer'} on day {n % 31} of {n}"
            for n, each in enumerate(won)
        ],
        "auc",
    ),
    "an id that tells": (lambda won: [f"{'W' if each else 'L'}-{n}" for n, each in enumerate(won)], "auc"),
    "numbered by the outcome": (lambda won: [str(n) for n in np.argsort(np.argsort(~won))], "auc"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_leak_is_found_with_its_evidence(leads: Made, planted: str) -> None:
    make, why = PLANTED[planted]
    won = np.array([each == "yes" for each in leads["won"]])
    found = leaks_of({**leads, planted: make(won)}, time="created")
    assert list(found) == [planted]
    assert found[planted].why in why.split("|")
    assert any(letter.isdigit() for letter in found[planted].evidence)


def test_a_date_after_the_row_is_found(leads: Made) -> None:
    closed = [f"{int(day[:4]) + 1}{day[4:]}" for day in leads["created"]]
    before = [f"{int(day[:4]) - 1}{day[4:]}" for day in leads["created"]]
    found = leaks_of({**leads, "closed": closed, "registered": before}, time="created")
    assert [(leak.column, leak.why) for leak in found.values()] == [("closed", "later")]
    assert found["closed"].evidence == "in 100% of its rows it is later than created"


def test_what_is_marked_as_unknown_leaks_whatever_it_holds(leads: Made) -> None:
    found = leaks_of(leads, time="created", unknown=frozenset({"noise"}))
    assert [(leak.column, leak.why) for leak in found.values()] == [("noise", "unknown")]
    assert found["noise"].auc == pytest.approx(0.5, abs=0.1)


def test_the_average_of_the_outcome_over_a_group_is_found() -> None:
    leads = make_leads(8_000)
    town = np.random.default_rng(8).integers(0, 200, 8_000)
    won = np.array([each == "yes" for each in leads["won"]])
    rate = (np.bincount(town, weights=won) / np.bincount(town))[town]
    found = leaks_of({**leads, "town": [f"town {n}" for n in town], "rate": [f"{each:.5f}" for each in rate]})
    assert [(leak.column, leak.why) for leak in found.values()] == [("rate", "average")]
    assert "share of positives in" in found["rate"].evidence


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("rows", [500, 2_000, 8_000])
def test_honest_columns_are_left_alone(rows: int, share: float) -> None:
    columns = make_leads(rows, share)
    won = np.array([each == "yes" for each in columns["won"]])
    noise = np.random.default_rng(5)
    columns["strong"] = [f"{noise.normal() + 0.9 * each:.3f}" for each in won]
    columns["rarely filled"] = ["7" if noise.random() < 0.02 + 0.1 * each else "" for each in won]
    columns["a thousand towns"] = [f"town {noise.integers(0, rows // 5)}" for _ in won]
    columns["said"] = [f"they said {noise.choice(['this', 'that'])} on day {n}" for n in range(rows)]
    assert leaks_of(columns, time="created") == {}
