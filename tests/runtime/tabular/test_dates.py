"""Dates are read as people write them, several ways in one column too."""

from __future__ import annotations

import pytest

from runtime.tabular.dates import date_format, parse_date

DAY = 19_783.0  # 1 March 2024


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2024-03-01",
            "01/03/2024",
            "03/31/2024",
            "01.03.2024",
            "2024/03/01",
            "Mar 1, 2024",
            "1 March 2024",
        ),
        *("01-Mar-2024", "03/31/24", "2024-03-01T10:00:00.000+0000", "03/31/2024 10:15 AM"),
    ],
)
def test_a_way_of_writing_dates_is_found_out(text: str) -> None:
    format = date_format([text] * 30, 0.95)
    assert format
    found = parse_date(text, format)
    assert found is not None
    assert DAY <= found < DAY + 31


def test_several_ways_in_one_column_are_all_read() -> None:
    texts = ["2024-03-01", "01.03.2024", "Mar 1, 2024"] * 20
    format = date_format(texts, 0.95)
    assert format
    assert {parse_date(text, format) for text in texts} == {DAY}


@pytest.mark.parametrize("texts", [["L-12-x"] * 30, ["one two"] * 30, [], ["2024-03-01", "never"] * 15])
def test_what_is_no_column_of_dates_has_no_format(texts: list[str]) -> None:
    assert date_format(texts, 0.95) is None
