"""Which outcome is to be foreseen is read from the label, or asked for."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.errors import InvalidInput, NotFound
from runtime.tabular.outcome import read_outcome
from runtime.tabular.table import Cells, Table


def table(*texts: str, name: str = "outcome") -> Table:
    values = list(dict.fromkeys(texts))
    codes = np.array([values.index(text) for text in texts], dtype=np.int32)
    return Table({name: Cells(values, codes)}, len(texts), "utf-8", ",")


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("yes", "no"),
        ("ja", "nein"),
        ("1", "0"),
        ("1.0", "0.0"),
        ("True", "False"),
        ("won", "lost"),
        ("Closed Won", "Closed Lost"),
    ],
)
def test_a_label_that_says_itself_what_is_good(good: str, bad: str) -> None:
    outcome = read_outcome(table(*[good, bad, bad] * 50), "outcome")
    assert (outcome.positive, outcome.positives) == (good, 50)
    assert outcome.values.tolist()[:3] == [1, 0, 0]


def test_rows_without_an_outcome_are_left_out() -> None:
    outcome = read_outcome(table(*["yes", "", "no", "NA"] * 60), "outcome")
    assert (len(outcome.rows), outcome.unknown) == (120, 120)
    assert outcome.rows.tolist()[:3] == [0, 2, 4]


def test_one_of_many_values_can_be_named() -> None:
    outcome = read_outcome(table(*["gold", "silver", "none"] * 50), "outcome", "Gold")
    assert (outcome.positive, outcome.positives) == ("gold", 50)


@pytest.mark.parametrize(
    ("texts", "positive", "sentence"),
    [
        (["yes"] * 200, "", "'yes' in every row, so there is nothing to tell apart"),
        ([""] * 200, "", "is empty in every row"),
        (["a", "b"] * 100, "", "'a' or 'b', does not say itself; name it with --positive"),
        (["a", "b", "c"] * 100, "", r"3 values \(a, b, c\) and two are needed"),
        (["yes", "no"] * 100, "maybe", "never 'maybe'; its values are yes, no"),
        (["yes", "no"] * 5, "", "10 rows are too few to learn from"),
        (["yes"] * 5 + ["no"] * 200, "", "'yes' in 5 of 205 rows; give at least 20"),
    ],
)
def test_a_label_of_which_nothing_can_be_learnt_is_said(
    texts: list[str], positive: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read_outcome(table(*texts), "outcome", positive)


@pytest.mark.parametrize(
    ("label", "advice"),
    [
        ("outcom", "did you mean outcome?"),
        ("OUTCOME", "did you mean outcome?"),
        ("xyz", "the columns are outcome"),
    ],
)
def test_a_label_that_is_not_there_is_said_with_what_may_be_meant(label: str, advice: str) -> None:
    with pytest.raises(
        NotFound, match=f"There is no column {label} for the label; {advice}".replace("?", r"\?")
    ):
        read_outcome(table(*["yes", "no"] * 100), label)
