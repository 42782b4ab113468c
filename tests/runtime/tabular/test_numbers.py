"""Numbers are read as people write them, and what is none is not taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tabular.numbers import decimal_mark, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,200.50 €", 1200.5),
        ("€1.200,50", 1200.5),
        ("-$5", -5),
        ("$-5.25", -5.25),
        ("USD 1,200,000", 1_200_000),
        ("1 200,50 zł", 1200.5),
        ("CHF 1’200.50", 1200.5),
        ("12.5%", 12.5),
        ("12,5 %", 12.5),
        ("1.200.000", 1_200_000),
        ("0,125", 0.125),
        ("1e5", 100_000),
    ],
)
def test_units_and_marks_of_thousands_are_no_part_of_a_number(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "1_000",
        "0x10",
        "one",
        "nan",
        "",
        "1,2,3",
        "--1",
        "-$-5",
        "٣x",
        "12.05.2024",
        "192.168.1.1",
        "€",
        "5 kg",
    ],
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("texts", "mark", "number"),
    [
        (["1,5", "1,234"], ",", 1.234),
        (["1.5", "1,234"], ".", 1234),
        (["1,234", "950"], ".", 1234),
        (["1.234.567", "1,234"], ",", 1.234),
    ],
)
def test_a_column_says_whether_a_comma_stands_before_decimals(
    texts: list[str], mark: str, number: float
) -> None:
    found = decimal_mark(texts)
    assert found == mark
    assert parse_number("1,234", found) == number


@given(st.decimals(-(10**9), 10**9, places=2))
def test_a_number_comes_back_however_it_is_grouped(number: object) -> None:
    english = f"{number:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    for text, mark in ((english, "."), (german, ",")):
        assert parse_number(f"{text} €", mark) == float(str(number))  # type: ignore[arg-type]
