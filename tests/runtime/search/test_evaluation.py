"""Measuring and tuning a real collection."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import InvalidInput
from runtime.search import IndexTotals, Search
from runtime.search.labels import Labels

OpenSearch = Callable[..., Awaitable[Search]]
IndexAll = Callable[..., Awaitable[IndexTotals]]
THINGS = """
owl hunts mice at night
lark sings when the sun rises
salmon swims up the river
oak drops acorns in autumn
engine turns fuel into motion
kettle boils water for tea
violin has four strings
glacier grinds rock to dust
baker kneads dough at dawn
comet grows a tail near the sun
"""
NAMES = [line.split(maxsplit=1) for line in THINGS.strip().splitlines()]


@pytest.fixture
def labels() -> Labels:
    """Two questions about each thing: one in its words, one in others."""
    queries = {f"{name}-{number}": text for name, does in NAMES for number, text in enumerate((name, does))}
    return Labels(queries, {query: {query.partition("-")[0]: 1} for query in queries})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [{"id": name, "text": f"The {name} {does}."} for name, does in NAMES]
    (tmp_path / "things.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "things.jsonl"


async def last(measured: Any) -> Any:
    """Return the report; the figures before it only grow."""
    seen = [each async for each in measured]
    assert [each.done for each in seen[:-1]] == list(range(1, len(seen)))
    return seen[-1].report


async def test_without_a_model_keyword_search_is_measured_alone(
    open_search: OpenSearch, index: IndexAll, corpus: Path, labels: Labels
) -> None:
    search = await open_search()
    await index(search, corpus)
    evaluation = search.evaluation("default", "docs")
    report = await last(evaluation.evaluate(labels))
    assert report["modes"] == {"keyword": {"ndcg@10": 1, "recall@10": 1, "recall@100": 1, "mrr": 1}}
    assert report["queries"] == 20
    assert "hubbub models pull" in report["warnings"][0]
    with pytest.raises(InvalidInput, match="no weight to choose"):
        await last(evaluation.tune(labels))


async def test_with_a_model_every_mode_is_measured_and_a_weight_is_chosen(
    open_search: OpenSearch, index: IndexAll, corpus: Path, labels: Labels, models: Path
) -> None:
    search = await open_search(models)
    await index(search, corpus)
    evaluation = search.evaluation("default", "docs")
    report = await last(evaluation.evaluate(labels))
    assert list(report["modes"]) == ["keyword", "dense", "hybrid"]
    assert report["modes"]["hybrid"]["ndcg@10"] == 1
    assert report["warnings"] == []
    tuned = await last(evaluation.tune(labels))
    assert tuned["current"]["weight"] == 0.45
    assert tuned["held_out"]["ndcg@10"] == tuned["held_out"]["high"] == 1
    assert (tuned["gain"]["ndcg@10"], tuned["sure"]) == (0, False)
    assert tuned["config"] == f"[search]\nweight = {tuned['weight']:g}\n"
    assert len(tuned["weights"]) == 21


async def test_labels_that_do_not_fit_the_collection_are_said(
    open_search: OpenSearch, index: IndexAll, corpus: Path
) -> None:
    search = await open_search()
    await index(search, corpus)
    some = Labels({"1": "owl"}, {"1": {"owl": 1, "phoenix": 1}})
    report = await last(search.evaluation("default", "docs").evaluate(some))
    assert report["modes"]["keyword"]["recall@10"] == 0.5
    assert "phoenix" in report["warnings"][0]
    none = Labels({"1": "owl"}, {"1": {"phoenix": 1}})
    with pytest.raises(InvalidInput, match="judge by the ids that hits carry"):
        await last(search.evaluation("default", "docs").evaluate(none))
    with pytest.raises(InvalidInput, match="is empty"):
        await last(search.evaluation("default", "nowhere").evaluate(some))
    with pytest.raises(InvalidInput, match="at least 20"):
        await last(search.evaluation("default", "docs").tune(some))
