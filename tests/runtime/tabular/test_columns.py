"""What a column is, is seen from its values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from runtime.errors import InvalidInput
from runtime.tabular.columns import Column, as_id, read_column
from runtime.tabular.numbers import parse_number
from runtime.tabular.table import Cells


def cells(*texts: str) -> Cells:
    values = list(dict.fromkeys(texts))
    return Cells(values, np.array([values.index(text) for text in texts], dtype=np.int32))


def read(*texts: str, name: str = "a") -> Column:
    return read_column(name, cells(*texts))


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "2", "3.5"] * 10, "number"),
        (["1,5", "2,25", "3"] * 10, "number"),
        (["1e5", "-3", " 4 "] * 10, "number"),
        (["0", "1"] * 10, "number"),
        (["2024-01-01", "2024-02-29"] * 10, "date"),
        (["2024-01-01T10:00:00Z", "2024-02-29T11:00:00+02:00"] * 10, "date"),
        (["31/12/2024", "01/02/2024"] * 10, "date"),
        (["12/31/2024", "01/02/2024"] * 10, "date"),
        (["31.12.2024 10:00", "01.02.2024 11:30"] * 10, "date"),
        (["web", "fair"] * 10, "category"),
        (["true", "false"] * 10, "category"),
        ([f"note number {n} of many" for n in range(50)], "text"),
        (["same"] * 20, "constant"),
        ([""] * 20, "constant"),
        (["yes", ""] * 10, "category"),
    ],
)
def test_its_kind_is_found_out(texts: list[str], kind: str) -> None:
    assert read(*texts).kind == kind


def test_numbers_are_read_with_either_mark_of_decimals_and_gaps_are_none() -> None:
    assert read("1,5", "NA", "2", "", "n/a").values.tolist()[:3] == pytest.approx(
        [1.5, math.nan, 2], nan_ok=True
    )
    assert read("1", "", "2").missing.tolist() == [False, True, False]


def test_a_few_words_among_numbers_and_infinite_values_are_missing_and_said() -> None:
    column = read(*["1", "2"] * 40, "unknown", "inf")
    assert column.kind == "number"
    assert int(column.missing.sum()) == 2
    assert "'unknown'" in column.notes[0]
    assert "1 infinite" in column.notes[1]


@pytest.mark.parametrize("word", ["unknown", "k. A.", "none", "0000-00-00"])
def test_a_word_that_stands_for_no_value_is_missing_however_often_it_comes(word: str) -> None:
    numbers = read(*[f"{n},50 €" for n in range(20)], *[word] * 15)
    assert (numbers.kind, int(numbers.missing.sum()), numbers.format) == ("number", 15, ",")
    assert numbers.values[3] == 3.5
    dates = read(*[f"2024-03-{n:02d}" for n in range(1, 21)], *[word] * 15)
    assert (dates.kind, int(dates.missing.sum())) == ("date", 15)
    assert repr(word) in dates.notes[0]


def test_numbers_among_words_are_words() -> None:
    assert read(*["1", "2", "3", "many", "few"] * 10).kind == "category"


def test_rare_values_of_a_category_are_taken_as_unseen() -> None:
    column = read(*["web"] * 20, *["fair"] * 10, "zeppelin")
    assert column.levels == ("web", "fair")
    assert column.missing.tolist() == [False] * 30 + [True]


@pytest.mark.parametrize("text", ["1_000", "0x10", "one", "nan", "", "1,2,3", "--1", "٣x", "12.05.2024"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_number(text) is None


def test_a_column_that_was_said_to_be_a_number_and_is_none_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match="is to be a number, and most of its values are none, such as 'web'"
    ):
        read_column("a", cells("web", "fair"), "number")


@pytest.mark.parametrize(
    ("name", "texts", "id"),
    [
        ("anything", [f"L-{n}" for n in range(100)], True),
        ("anything", [str(n) for n in range(1000, 1100)], True),
        ("customer_id", [str(n * 7919 % 10_007) for n in range(100)], True),
        ("customerId", [str(n * 7919 % 10_007) for n in range(100)], True),
        ("person_id", [str(n % 30) for n in range(100)], True),
        ("person_id", [f"P{n % 20}" for n in range(100)], True),
        ("campaign_id", [f"C{n % 5}" for n in range(100)], False),
        ("revenue", [str(n * 7919 % 10_007) for n in range(100)], False),
        ("note", [f"they said {n} things" for n in range(100)], False),
        ("paid", [str(n % 7) for n in range(100)], False),
    ],
)
def test_a_column_that_only_numbers_the_rows_is_an_id(name: str, texts: list[str], id: bool) -> None:
    found = cells(*texts)
    assert (as_id(read_column(name, found), found) is not None) is id
