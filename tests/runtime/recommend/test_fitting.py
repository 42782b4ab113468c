"""What is fitted is what the formulas say, and what wins on the newest events is what is used."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.recommend.content import describe, neighbours, vocabulary
from runtime.recommend.ease import broad_tastes, fit_ease, lightened
from runtime.recommend.evaluation import BACK, Task, bucket_of, cut, ndcg, tasks_of
from runtime.recommend.fitting import Choice, _best, compare, fit
from runtime.recommend.popularity import DAY, demand, popularity
from runtime.recommend.sample import sample_of
from runtime.recommend.scoring import EASE, POPULARITY, RECIPES, mixed
from runtime.types import CatalogueItem
from tests.runtime.recommend.tastes import catalogue, events, sample


def test_a_sample_holds_each_way_once_in_the_order_of_time() -> None:
    made = sample_of([("a", "x", 2.0), ("b", "x", 1.0), ("a", "x", 5.0), ("a", "y", 3.0)], 10)
    told = [
        (made.users[user], made.items[item], at)
        for user, item, at in zip(made.user, made.item, made.at, strict=True)
    ]
    assert told == [("b", "x", 1.0), ("a", "y", 3.0), ("a", "x", 5.0)]


def test_a_sample_keeps_the_items_of_most_users() -> None:
    made = sample_of([("a", "x", 1.0), ("b", "x", 2.0), ("a", "y", 3.0)], 1)
    assert (list(made.items), len(made)) == (["x"], 2)


def test_ease_is_the_closed_form_of_its_paper() -> None:
    matrix = sample().matrix()
    gram = (matrix.T @ matrix).toarray().astype(float) + 100.0 * np.eye(matrix.shape[1])
    inverse = np.linalg.inv(gram)
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(fit_ease(matrix, 100.0), expected, atol=1e-6)


def test_the_smallest_weights_are_let_go_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.array([[0.0, 0.5], [-0.7, 0.1]], np.float32)
    assert lightened(weights) is weights
    monkeypatch.setattr("runtime.recommend.ease._ENTRIES", 2)
    assert lightened(weights).toarray().tolist() == [[0.0, 0.5], [np.float32(-0.7), 0.0]]


def test_popularity_of_long_ago_counts_less() -> None:
    made = sample_of([("a", "old", 0.0), ("b", "old", 0.0), ("a", "new", 20 * DAY)], 10)
    assert dict(zip(made.items, popularity(made, None), strict=True)) == {"old": 1.0, "new": 0.5}
    assert dict(zip(made.items, popularity(made, 10.0), strict=True)) == {"old": 0.5, "new": 1.0}


def test_what_is_turned_to_more_than_it_used_to_be_is_in_demand() -> None:
    ways = [(f"u{n}", "old", 0.0) for n in range(9)] + [("a", "new", 20 * DAY), ("b", "steady", 10 * DAY)]
    found = dict(zip(sample_of(ways, 10).items, demand(sample_of(ways, 10), 5.0), strict=True))
    assert found["new"] > found["steady"] > 1 > found["old"]
    assert set(demand(sample_of(ways, 10), None)) == {1.0}


def test_broad_tastes_bring_together_what_nobody_had_together() -> None:
    pairs = [(f"u{n}", item) for n in range(8) for item in (f"tea {n % 2}", "cup", "kettle")]
    pairs += [(f"v{n}", item) for n in range(8) for item in ("hammer", "nail", f"saw {n % 2}")]
    made = sample_of([(user, item, 1.0) for user, item in pairs], 99)
    weights, place = broad_tastes(made.matrix()), {item: number for number, item in enumerate(made.items)}
    assert weights[place["tea 0"], place["tea 1"]] > 0.01
    assert abs(weights[place["tea 0"], place["nail"]]) < 1e-6
    assert not weights.diagonal().any()


def test_of_two_users_no_broad_tastes_are_learned() -> None:
    assert not broad_tastes(sample_of([("a", "x", 1.0), ("b", "x", 1.0)], 9).matrix()).any()


def test_an_item_without_events_is_expected_what_those_like_it_are() -> None:
    known = [
        CatalogueItem("a", tags=("tea", "hot")),
        CatalogueItem("b", tags=("salt",)),
        CatalogueItem("c", tags=("salt",)),
    ]
    new = [CatalogueItem("d", tags=("salt",)), CatalogueItem("e", tags=("strange",))]
    words = vocabulary([*known, *new])
    expected = neighbours(describe(new, words), describe(known, words)) @ np.array([1.0, 0.4, 0.6])
    assert expected.tolist() == pytest.approx([0.5, 0.0])


def test_ndcg_counts_what_was_wanted_by_its_place() -> None:
    task = Task(np.array([0]), np.array([1, 3]))
    best, middling = ndcg([task, task], np.array([[9.0, 5, 1, 4], [9.0, 1, 5, 4]]))
    assert best == pytest.approx(1.0)
    assert middling == pytest.approx((1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3)))


def test_what_a_user_had_is_not_asked_for_and_not_listed() -> None:
    before, after = cut(
        sample_of([("a", "x", 1.0), ("b", "y", 2.0), ("a", "y", 3.0), ("a", "z", 4.0)], 9), 0.5
    )
    (task,) = tasks_of(before, after, midway=False)
    names = np.array(before.items)
    assert (names[task.had].tolist(), sorted(names[task.wanted])) == (["x"], ["y", "z"])


def test_users_who_did_enough_are_asked_about_midway_too() -> None:
    made = sample_of([("a", f"i{n}", float(n)) for n in range(10)], 99)
    before, after = cut(made, 0.6)
    assert sorted(len(task.had) for task in tasks_of(before, after, midway=True)) == [4, 7]


def test_users_are_grouped_by_what_they_had() -> None:
    assert [bucket_of(had) for had in (0, 1, 4, 5, 19, 20, 999)] == [0, 1, 1, 5, 5, 20, 20]
    assert [bucket_of(had, back=True) for had in (0, 4, 5, 999)] == [0, 1, BACK, BACK]


def test_who_did_something_on_another_day_came_back() -> None:
    twice = [("a", f"i{n}", n * DAY / 3) for n in range(6)]
    once = [("b", f"i{n}", DAY + n) for n in range(7)]
    later = [("a", "x", 9 * DAY), ("b", "x", 9 * DAY)]
    before, after = cut(sample_of([*twice, *once, *later], 99), 2 / 15)
    tasks = tasks_of(before, after, midway=False)
    assert {len(task.had): task.back for task in tasks} == {6: True, 7: False}


def test_what_is_usual_stays_until_another_is_surely_better() -> None:
    usual = [0.5, 0.1, 0.9, 0.4] * 10
    lucky = [*usual[:-1], 1.0]
    better = [value + 0.1 for value in usual]
    every = [True] * len(usual)
    assert _best({"usual": usual, "lucky": lucky}, every) == "usual"
    assert _best({"usual": usual, "better": better}, every) == "better"
    assert _best({"usual": usual, "better": better}, [False] * len(usual)) == "better"


def test_taste_beats_popularity_where_there_is_taste() -> None:
    found = compare(sample(users=300), catalogue())
    scores = {trial.name: trial.scores for trial in found.trials}
    assert scores["ease"][5] > scores["popularity"][5] + 0.05
    assert found.choice.recipes[5].ease > 0
    assert found.choice.recipes[0] == POPULARITY
    assert {recipe.name for recipe in RECIPES} < set(scores)


def test_with_too_few_events_what_is_usual_is_chosen() -> None:
    few = sample_of(events(users=3, each=4), 5000)
    found = compare(few, {})
    assert (found.ndcg, found.choice) == (None, Choice())
    assert fit(few, {}, found.choice).one([0], EASE).shape == (len(few.items),)


def test_one_user_is_scored_as_all_are() -> None:
    made = sample()
    parts = fit(made, catalogue(), Choice())
    had = [3, 7, 11]
    history = np.zeros((1, len(made.items)))
    history[0, had] = 1
    from scipy.sparse import csr_array

    each = parts.each(csr_array(history))
    for recipe in RECIPES:
        assert np.allclose(parts.one(had, recipe), mixed(each, recipe)[0], atol=1e-6)
        assert np.isfinite(parts.one([], recipe)).all()
