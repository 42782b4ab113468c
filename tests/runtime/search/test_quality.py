"""Measures of a ranking, compared with figures worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.search.quality import interval, ndcg, recall, reciprocal_rank

GRADES = {"a": 2, "b": 1, "z": 0}


def test_ndcg_weighs_grades_by_their_rank() -> None:
    best = 2 + 1 / math.log2(3)
    assert ndcg(["a", "b"], GRADES) == 1
    assert ndcg(["b", "a"], GRADES) == pytest.approx((1 + 2 / math.log2(3)) / best)
    assert ndcg(["z", "x", "b"], GRADES) == pytest.approx(0.5 / best)
    assert ndcg([*"0123456789", "a"], GRADES) == 0
    assert ndcg([], GRADES) == 0
    assert ndcg(["a"], {"a": 0}) == 0


def test_recall_counts_what_is_relevant_among_the_first() -> None:
    assert recall(["z", "a", "b"], GRADES, 2) == 0.5
    assert recall(["z", "a", "b"], GRADES, 3) == 1
    assert recall(["a"], {"a": 0}, 10) == 0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_document() -> None:
    assert reciprocal_rank(["z", "b", "a"], GRADES) == 0.5
    assert reciprocal_rank(["z"], GRADES) == 0


def test_the_interval_is_about_two_standard_errors_wide_and_always_the_same() -> None:
    values = [0.0, 1.0] * 50
    low, high = interval(values)
    assert (low, high) == interval(values)
    assert 0.38 < low < 0.43
    assert 0.57 < high < 0.62
    assert interval([0.5]) == (0.5, 0.5)


@given(st.permutations("abcdef"), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=1))
def test_every_measure_is_a_share(ranked: list[str], grades: dict[str, int]) -> None:
    for value in (ndcg(ranked, grades), recall(ranked, grades, 3), reciprocal_rank(ranked, grades)):
        assert 0 <= value <= 1 + 1e-9
