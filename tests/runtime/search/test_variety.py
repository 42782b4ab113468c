"""Hits that differ from each other."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.search.variety import alike_by_words, vary

TEXTS = [
    "owls hunt mice at night",
    "owls hunt mice at dusk",
    "larks sing at sunrise",
    "owls hunt mice at noon",
]


def test_with_variety_a_copy_comes_after_something_new() -> None:
    alike = alike_by_words(TEXTS)
    assert vary([1.0, 0.9, 0.5, 0.0], alike, 0.0, 3) == [0, 1, 2]
    assert vary([1.0, 0.9, 0.5, 0.0], alike, 0.5, 3) == [0, 2, 1]


def test_the_best_hit_stays_first_whatever_the_share() -> None:
    assert vary([0.2, 0.9, 0.1, 0.3], alike_by_words(TEXTS), 1.0, 1) == [1]


def test_texts_are_alike_by_the_words_they_share() -> None:
    alike = alike_by_words(["a b", "b c", "", ""])
    assert alike(0, 1) == 1 / 3
    assert alike(0, 0) == 1
    assert alike(2, 3) == 0


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 1), st.integers(1, 40))
def test_each_candidate_is_chosen_at_most_once(scores: list[float], share: float, count: int) -> None:
    chosen = vary(scores, lambda one, two: 1 / (1 + abs(one - two)), share, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(scores))
