"""The best hits are read again by a cross-encoder; where that cannot be, they stay and the reason is told."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.errors import InvalidInput
from runtime.ports import Collection
from runtime.search import IndexTotals, Search
from runtime.search.labels import Labels
from runtime.types import SearchQuery
from tests.cross_encoding import NAME, make_cross_encoder

OpenSearch = Callable[..., Awaitable[Search]]
IndexAll = Callable[..., Awaitable[IndexTotals]]

TEXTS = {
    "short": "Owls.",
    "long": "At night the owls of the north hunt mice, and what else they find in the snow of the fields.",
    "other": "Owls sleep in the tree by day, and nobody has seen them hunt there.",
}
ASKED = "owls hunt mice"
SCORER = """
from hubbub import Score, hookimpl

class Odd:
    name = "odd"
    async def score(self, item, ctx):
        return Score(0.5)
    {more}

@hookimpl
def register_scorers():
    return [Odd()]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    rows = [{"id": name, "text": text} for name, text in TEXTS.items()]
    (tmp_path / "owls.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def ids(hits: object) -> list[str]:
    return [hit.source["id"] for hit in hits]  # type: ignore[attr-defined]


async def filled(search: Search, index: IndexAll, workspace: Path) -> Collection:
    await index(search, workspace / "owls.jsonl")
    return search.collection("default", "docs")


async def test_the_best_hits_are_in_the_order_of_the_cross_encoder(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    make_cross_encoder(workspace / "models", "owls hunt mice")
    collection = await filled(await open_search(workspace / "models"), index, workspace)
    before = await collection.search(SearchQuery("owls", 3, mode="keyword"))
    assert ids(before)[0] == "short"
    hits = await collection.search(SearchQuery(ASKED, 3, mode="keyword", rerank=3))
    assert ids(hits) == ["long", "other", "short"]
    assert [hit.score for hit in hits] == [hit.scores["rerank"] for hit in hits]
    assert all("keyword" in hit.scores for hit in hits)
    assert (hits.degraded, hits.note) == (False, "")


async def test_as_many_are_read_as_are_shown_at_least(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    make_cross_encoder(workspace / "models", "owls hunt mice")
    collection = await filled(await open_search(workspace / "models"), index, workspace)
    hits = await collection.search(SearchQuery(ASKED, 3, mode="keyword", rerank=1))
    assert all("rerank" in hit.scores for hit in hits)
    varied = await collection.search(SearchQuery(ASKED, 2, mode="keyword", rerank=3, mmr=0.3))
    assert ids(varied)[0] == "long"


async def test_without_its_model_the_hits_stay_as_they_were_and_the_reason_is_told(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    collection = await filled(await open_search(), index, workspace)
    before = await collection.search(SearchQuery(ASKED, 3, mode="keyword"))
    hits = await collection.search(SearchQuery(ASKED, 3, mode="keyword", rerank=3))
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in before]
    assert hits.degraded
    assert all(hit.degraded for hit in hits)
    assert f"the model {NAME} is not here; put its `model.onnx` and `tokenizer.json` into" in hits.note
    assert str(workspace / "var" / "models" / NAME) in hits.note


async def test_a_model_that_is_none_is_named(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    (make_cross_encoder(workspace / "models", "owls") / "model.onnx").write_bytes(b"junk")
    collection = await filled(await open_search(workspace / "models"), index, workspace)
    hits = await collection.search(SearchQuery(ASKED, 3, mode="keyword", rerank=3))
    assert (len(hits), hits.degraded) == (3, True)
    assert "cannot be loaded" in hits.note


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "has no score_many"),
        ("async def score_many(self, items, ctx): return []", "gave 0 scores for 3 hits"),
        ("async def score_many(self, items, ctx): return [Score(float('nan'))] * 3", "not between 0 and 1"),
        ("async def score_many(self, items, ctx): return [1, 2, 3]", "return a list of Score"),
        ("async def score_many(self, items, ctx): raise ValueError('tired')", "tired"),
    ],
)
async def test_a_scorer_that_cannot_rank_hits_is_named_and_they_stay(
    open_search: OpenSearch, index: IndexAll, workspace: Path, more: str, said: str
) -> None:
    (workspace / "plugins").mkdir()
    (workspace / "plugins" / "odd.py").write_text(SCORER.format(more=more))
    (workspace / "config.toml").write_text('[search]\nreranker = "odd"\n')
    collection = await filled(await open_search(), index, workspace)
    hits = await collection.search(SearchQuery(ASKED, 3, mode="keyword", rerank=3))
    assert (len(hits), hits.degraded) == (3, True)
    assert said in hits.note


async def test_any_scorer_of_many_can_rank_hits(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    more = "async def score_many(self, items, ctx): return [Score(1 / len(each['text'])) for each in items]"
    (workspace / "plugins").mkdir()
    (workspace / "plugins" / "odd.py").write_text(SCORER.format(more=more))
    (workspace / "config.toml").write_text('[search]\nreranker = "odd"\n')
    collection = await filled(await open_search(), index, workspace)
    hits = await collection.search(SearchQuery(ASKED, 3, mode="keyword", rerank=3))
    assert ids(hits) == ["short", "other", "long"]


async def test_more_than_a_hundred_are_not_read_again(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    collection = await filled(await open_search(), index, workspace)
    for k, rerank in ((3, 101), (3, -1), (101, 5)):
        with pytest.raises(InvalidInput, match="At most 100 hits can be read again"):
            await collection.search(SearchQuery(ASKED, k, rerank=rerank))


async def test_what_it_brings_is_measured_where_that_is_asked(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    make_cross_encoder(workspace / "models", "owls hunt mice")
    search = await open_search(workspace / "models")
    await index(search, workspace / "owls.jsonl")
    labels = Labels({"1": "owls mice hunt", "2": "nothing of that"}, {"1": {"long": 1}, "2": {"short": 1}})
    evaluation = search.evaluation("default", "docs")
    *_, last = [each async for each in evaluation.evaluate(labels, rerank=2)]
    assert last.report is not None
    assert list(last.report["modes"]) == ["keyword", "rerank"]
    assert last.report["modes"]["rerank"]["mrr"] == 0.5
    with pytest.raises(InvalidInput, match="choose 1 to 100"):
        [each async for each in evaluation.evaluate(labels, rerank=101)]


async def test_what_cannot_be_read_again_is_not_measured(
    open_search: OpenSearch, index: IndexAll, workspace: Path
) -> None:
    search = await open_search()
    await index(search, workspace / "owls.jsonl")
    labels = Labels({"1": ASKED}, {"1": {"long": 1}})
    with pytest.raises(InvalidInput, match=f"the model {NAME} is not here"):
        [each async for each in search.evaluation("default", "docs").evaluate(labels, rerank=5)]
