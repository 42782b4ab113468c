"""Fusing two rankings."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.search.fusion import best_parts, fuse, stretch
from runtime.search.rows import Place


def row(key: str, record: str | None = None) -> Place:
    return Place(0, key, 1, record, 1)


def test_scores_are_stretched_between_worst_and_best() -> None:
    assert stretch({"a": 9.0, "b": 3.0, "c": 5.0}) == {"a": 1.0, "b": 0.0, "c": 1 / 3}
    assert stretch({"a": 2.0}) == {"a": 1.0}
    assert stretch({}) == {}


def test_what_both_sides_like_comes_before_what_one_side_likes() -> None:
    a, b, c, d = (row(key) for key in "abcd")
    fused = fuse([(a, 0.9), (b, 0.8), (d, 0.1)], [(c, 9.0), (b, 8.0), (a, 1.0)], 0.5)
    assert [found.key for found, _, _ in fused] == ["b", "a", "c", "d"]
    assert fused[0][2] == {"dense": 0.8, "keyword": 8.0}


def test_a_record_in_parts_is_ranked_once_by_the_part_that_brings_more() -> None:
    first, second, other = row("a", "r"), row("b", "r"), row("c", "s")
    fused = fuse([(second, 0.9), (other, 0.5)], [(first, 2.0), (second, 1.9), (other, 1.0)], 0.6)
    assert [found.key for found, _, _ in fused] == ["b", "c"]
    assert best_parts([(first, 2.0), (second, 1.0), (other, 0.5)]) == [(first, 2.0), (other, 0.5)]


@given(st.lists(st.floats(-5, 5)), st.lists(st.floats(-5, 5)), st.floats(0, 1))
def test_fused_scores_are_between_0_and_1_and_fall(
    left: list[float], right: list[float], weight: float
) -> None:
    dense = [(row(f"k{at}"), score) for at, score in enumerate(sorted(left, reverse=True))]
    keyword = [(row(f"k{at * 2}"), score) for at, score in enumerate(sorted(right, reverse=True))]
    scores = [score for _, score, _ in fuse(dense, keyword, weight)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)
