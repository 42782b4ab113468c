"""Figures are written for people, and the numbers of a text are found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.insights.figures import Number, numbers_in, shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234, "calls", "1,234 calls"),
        (1, "runs", "1 run"),
        (0.125, "share", "12.5 %"),
        (3.2, "USD", "3.20 USD"),
        (0.0031, "USD", "0.0031 USD"),
        (1.5, "seconds", "1.50 s"),
        (0.75, "score", "0.750"),
        (2.5, "tokens", "2.5 tokens"),
        (0, "calls", "0 calls"),
    ],
)
def test_a_figure_has_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("There were 1,234 calls.", [1234]),
        ("It cost $3.20, or 12.5 % more", [3.2, 12.5]),
        ("about 1.2 million tokens and 3k runs", [1_200_000, 3000]),
        ("twelve runs and two dozen", [12, 2, 12]),
        ("one of them; p95 of gpt4", [95, 4]),
        ("USD99 and,7 or x1.5; it doubled", [99, 7, 1.5, 2]),
        ("１２ calls, ٣ runs", [12, 3]),
        ("on 2025-01-31 it was 7", ["2025-01-31", 7]),
        ("ten thousand", [10, 1000]),
        ("", []),
    ],
)
def test_numbers_are_found_in_digits_and_words(text: str, values: list[float | str]) -> None:
    assert [found.value if isinstance(found, Number) else found for found in numbers_in(text)] == values


@given(st.floats(0, 1e9), st.sampled_from(["calls", "share", "USD", "seconds", "score", "tokens"]))
def test_what_is_written_is_read_again(value: float, unit: str) -> None:
    (found,) = numbers_in(shown(value, unit))
    assert isinstance(found, Number)
    assert found.means(Number(value * 100 if unit == "share" else value))


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_whole_number_means_no_other(one: int, other: int) -> None:
    assert Number(one, 0.5).means(Number(other)) == (one == other)
