"""Search end to end: real files, the real search process, Chroma and the model."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import docx
import pytest

from runtime.errors import InvalidInput
from runtime.search import IndexRequest, IndexTotals, Search

OpenSearch = Callable[..., Awaitable[Search]]
IndexAll = Callable[..., Awaitable[IndexTotals]]

DOCS = """
{"id": "owl", "title": "Owls", "text": "Owls hunt mice at night. They see in the dark.", "kind": "bird"}
{"id": "lark", "title": "Larks", "text": "Larks sing when the sun rises. They eat it.", "kind": "bird"}
{"id": "car", "title": "Cars", "text": "The automobile needs an engine. Its brakes squeal.", "kind": "thing"}
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "animals.jsonl").write_text(DOCS)
    return tmp_path / "docs"


async def test_without_a_model_it_searches_by_keyword_and_says_so(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    search = await open_search()
    assert search.mode == "keyword"
    totals = await index(search, docs)
    assert (totals.documents, totals.passages, totals.mode) == (1, 3, "keyword")
    hits = await search.collection("default", "docs").hybrid("hunting owls", 2)
    assert [hit.source["id"] for hit in hits] == ["owl"]
    assert (hits.mode, hits.degraded, hits[0].mode, hits[0].degraded) == ("keyword", True, "keyword", True)
    nothing = await search.collection("default", "docs").dense("owls", 2)
    assert (len(nothing), nothing.degraded) == (0, True)
    assert "keyword mode" in search.health().detail
    assert "hubbub models pull" in search.health().detail
    assert await search.embed(["owls"]) is None
    assert not (docs.parent / "var" / "chroma").exists()


async def test_with_a_model_it_finds_by_meaning_and_by_both(
    open_search: OpenSearch, index: IndexAll, docs: Path, models: Path
) -> None:
    search = await open_search(models)
    phases = []
    async for progress in search.index(IndexRequest("default", "docs", [str(docs)])):
        phases.append(progress.phase)
    assert list(dict.fromkeys(phases)) == ["reading", "vectors", "sentences", "done"]
    collection = search.collection("default", "docs")

    dense = await collection.dense("vehicle repair", 2)
    assert (dense[0].source["id"], dense.mode, dense.degraded) == ("car", "dense", False)
    assert 0 < dense[0].score <= 1
    both = await collection.hybrid("birds at sunrise", 3)
    assert (both[0].source["id"], both.mode, both.degraded) == ("lark", "hybrid", False)
    assert both[0].source == {
        "path": "docs/animals.jsonl",
        "id": "lark",
        "title": "Larks",
        "line": 3,
        "collection": "docs",
    }
    only = await collection.hybrid("night", 3, {"kind": "thing"})
    assert [hit.source["id"] for hit in only] == ["car"]
    assert await collection.dense("night", 3, {"kind": "none"}) == ()

    (passage,) = await collection.passages([both[0].id, "unknown"])
    assert list(passage.sentences) == ["Larks sing when the sun rises.", "They eat it."]
    assert passage.vectors is not None
    assert passage.vectors.shape == (2, 384)
    question = await search.embed(["When do larks sing?"])
    assert question is not None
    assert (passage.vectors @ question[0]).argmax() == 0
    (info,) = await search.collections("default")
    assert (info.name, info.documents, info.passages, info.vectors) == ("docs", 1, 3, 3)
    assert "chromadb" not in sys.modules

    rows = DOCS.replace("Owls hunt mice", "Owls hunt bats").replace("thing", "machine")
    (docs / "animals.jsonl").write_text(rows + '{"id": "fox", "text": "Foxes run."}\n')
    assert (await index(search, docs)).passages == 2
    assert len(await collection.dense("anything", 10)) == 4
    (docs / "animals.jsonl").unlink()
    assert (await index(search, docs)).removed == 1
    assert await collection.hybrid("owls", 3) == ()


async def test_a_document_of_nothing_but_code_has_vectors_and_no_sentences(
    open_search: OpenSearch, index: IndexAll, docs: Path, models: Path
) -> None:
    (docs / "animals.jsonl").unlink()
    (docs / "a.md").write_text("```\nimport owls\n```\n")
    search = await open_search(models)
    await index(search, docs)
    collection = search.collection("default", "docs")
    (hit,) = await collection.hybrid("owls", 3)
    (passage,) = await collection.passages([hit.id])
    assert (list(passage.sentences), hit.mode) == ([], "hybrid")
    assert passage.vectors is not None
    assert passage.vectors.shape == (0, 384)


async def test_a_folder_of_mixed_formats_is_cited_into_its_files(
    open_search: OpenSearch, index: IndexAll, docs: Path, make_pdf: Callable[..., bytes]
) -> None:
    (docs / "guide.pdf").write_bytes(make_pdf("Foxes run.", "Badgers dig burrows.", title="Mammals"))
    (docs / "page.html").write_text("<nav>Badgers</nav>\n<h1>Fish</h1>\n<p>Herrings swim in shoals.</p>")
    (docs / "sheet.csv").write_text("id;title;text;size\nb1;Bees;They make honey.;12\n")
    document = docx.Document()
    document.add_heading("Reptiles", 1)
    document.add_paragraph("Lizards bask in the sun.")
    document.save(str(docs / "report.docx"))
    (docs / "locked.pdf").write_bytes(b"no PDF")
    search = await open_search()
    totals = await index(search, docs)
    assert [path for path, _ in totals.failed] == ["docs/locked.pdf"]
    assert totals.documents == 5
    collection = search.collection("default", "docs")

    async def source(query: str) -> dict[str, Any]:
        (hit,) = await collection.keyword(query, 3)
        return {key: value for key, value in hit.source.items() if key != "collection"}

    pdf = {"path": "docs/guide.pdf", "id": "docs/guide.pdf", "title": "Mammals", "line": 1, "page": 2}
    assert await source("badgers") == pdf
    assert await source("herrings") == {
        "path": "docs/page.html",
        "id": "docs/page.html",
        "title": "Fish",
        "line": 3,
    }
    assert await source("honey") == {"path": "docs/sheet.csv", "id": "b1", "title": "Bees", "line": 2}
    assert (await source("lizards"))["title"] == "Reptiles"
    (hit,) = await collection.keyword("honey", 3, {"size": 12})
    assert hit.metadata == {"size": 12}


async def test_a_tenant_sees_nothing_of_another(open_search: OpenSearch, index: IndexAll, docs: Path) -> None:
    search = await open_search()
    await index(search, docs, tenant="a")
    hits = await search.collection("a", "docs").keyword("owls", 3)
    assert len(hits) == 1
    assert await search.collection("b", "docs").keyword("owls", 3) == ()
    assert await search.collection("b", "docs").passages([hits[0].id]) == []
    await index(search, docs, tenant="b")
    assert await search.collection("b", "docs").passages([hits[0].id]) == []
    assert await search.collections("c") == []


@pytest.mark.parametrize("query", ["", "   ", "🦉", '"OR NEAR( *', "x" * 10_001, "\ud800 owls", "owls\0"])
async def test_any_text_is_a_query(open_search: OpenSearch, index: IndexAll, docs: Path, query: str) -> None:
    search = await open_search()
    await index(search, docs)
    hits = await search.collection("default", "docs").hybrid(query, 3)
    assert len(hits) == ("owls" in query)


async def test_what_can_never_work_is_said(open_search: OpenSearch, index: IndexAll, docs: Path) -> None:
    search = await open_search()
    await index(search, docs)
    collection = search.collection("default", "docs")
    for k in (0, -1, 10_000):
        with pytest.raises(InvalidInput):
            await collection.keyword("owls", k)
    for filter in ({"kind": {"like": "b%"}}, {"kind": [["nested"]]}, {"kind": list(range(1000))}):
        with pytest.raises(InvalidInput):
            await collection.keyword("owls", 3, filter)
    with pytest.raises(InvalidInput):
        await collection.hybrid("owls", 3, weight=2)
    with pytest.raises(InvalidInput):
        await index(search, docs, collection=" ")
    with pytest.raises(InvalidInput):
        await index(search)


async def test_two_index_runs_at_once_take_turns(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    search = await open_search()
    for number in range(20):
        (docs / f"{number}.txt").write_text(f"Text number {number}.")
    totals = await asyncio.gather(index(search, docs), index(search, docs))
    assert sorted(item.documents for item in totals) == [0, 21]
    (info,) = await search.collections("default")
    assert info.passages == 23


async def test_the_first_two_index_runs_of_a_workspace_may_start_at_once(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    search = await open_search()
    await asyncio.gather(*(index(search, docs, collection=name) for name in "abcd"))
    infos = await search.collections("default")
    assert [(info.name, info.passages) for info in infos] == [(name, 3) for name in "abcd"]


async def test_an_iterator_that_is_left_stops_the_work(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    search = await open_search()
    for number in range(200):
        (docs / f"{number}.txt").write_text(f"Text number {number}. " * 2_000)
    running = search.index(IndexRequest("default", "docs", [str(docs)]))
    await anext(running)
    await running.aclose()  # type: ignore[attr-defined]
    assert (await index(search, docs)).passages > 0
    (info,) = await search.collections("default")
    assert info.documents == 201


async def test_an_unknown_collection_is_empty(open_search: OpenSearch) -> None:
    search = await open_search()
    assert await search.collection("default", "none").hybrid("owls", 3) == ()
    assert await search.collections("default") == []
