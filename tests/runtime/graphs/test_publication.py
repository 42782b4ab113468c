"""What is published is a value: saving, publishing and rolling back make another one of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Conflict
from runtime.graphs.publication import published, rolled_back, started, version_for
from runtime.records import Publication

THREADS = [f"thread {number}" for number in range(2000)]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30))
def test_rolling_back_leads_through_the_earlier_versions_each_once(versions: list[str]) -> None:
    publication: Publication | None = None
    for version in versions:
        publication = published(publication, "g", version, 0.0)
    assert publication
    seen = [publication.live]
    while publication.before:
        publication = rolled_back(publication, "text")
        seen.append(publication.live)
    assert seen == list(dict.fromkeys(reversed(versions)))
    with pytest.raises(Conflict, match="no earlier version of the graph g"):
        rolled_back(publication, "text")


@given(st.integers(1, 99), st.integers(1, 99))
def test_a_thread_that_has_the_canary_keeps_it_while_the_share_grows(one: int, two: int) -> None:
    live = published(None, "g", "a", 0.0)
    few, many = (started(live, "b", share) for share in sorted((one, two)))
    for thread in THREADS[:200]:
        if version_for(few, thread) == "b":
            assert version_for(many, thread) == "b"


@pytest.mark.parametrize("percent", [1, 10, 50, 99])
def test_a_share_is_about_as_large_as_it_says(percent: int) -> None:
    publication = started(published(None, "g", "a", 0.0), "b", percent)
    share = sum(version_for(publication, thread) == "b" for thread in THREADS) / len(THREADS)
    assert share == pytest.approx(percent / 100, abs=0.03)


def test_another_canary_is_tried_on_other_threads() -> None:
    live = published(None, "g", "a", 0.0)
    one, two = started(live, "b", 10), started(live, "c", 10)
    tried = [{t for t in THREADS if version_for(each, t) != "a"} for each in (one, two)]
    assert len(tried[0] & tried[1]) < min(map(len, tried)) / 2


def test_the_end_of_a_canary_leaves_what_is_live() -> None:
    live = published(None, "g", "a", 0.0)
    assert rolled_back(started(live, "b", 10), "text") == live
    assert published(started(live, "b", 10), "g", "b", 1.0).live == "b"
