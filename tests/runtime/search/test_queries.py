"""Embedding queries: whatever is wrong with the embedder, search goes on by keyword and says so."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.errors import PluginError, StorageError
from runtime.search import IndexTotals, Search

OpenSearch = Callable[..., Awaitable[Search]]
IndexAll = Callable[..., Awaitable[IndexTotals]]

EMBEDDER = """
from pydantic import BaseModel
import numpy as np
from hubbub import hookimpl

class Settings(BaseModel):
    key: str = ""
    lies: bool = False

calls = []

class Letters:
    name, size = "letters", 26
    def __init__(self, settings):
        self.settings, self.calls = settings, []
    def embed(self, texts, ctx):
        self.calls.append(list(texts))
        counts = np.array([[text.lower().count(chr(97 + at)) + 1e-6 for at in range(26)] for text in texts])
        vectors = (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)
        return vectors[:, :25] if self.settings.lies else vectors

@hookimpl
def register_embedders(settings):
    return [Letters(settings)]
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "letters.py").write_text(EMBEDDER)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Owls hunt.")
    return tmp_path / "docs"


def _config(workspace: Path, table: str = "") -> None:
    (workspace / "config.toml").write_text(f'[search]\nembedder = "letters"\n[plugins.letters]\n{table}\n')


async def test_an_embedder_from_a_drop_in_file_serves_queries_and_indexing(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    _config(docs.parent)
    search = await open_search()
    assert (await index(search, docs)).mode == "hybrid"
    hits = await search.collection("default", "docs").dense("slow", 5)
    assert [hit.text for hit in hits] == ["Owls hunt."]


async def test_a_query_is_embedded_once(open_search: OpenSearch, docs: Path) -> None:
    _config(docs.parent)
    search = await open_search()
    first = await search.embed(["owls", "larks", "owls"])
    again = await search.embed(["larks", "doves"])
    assert first is not None
    assert again is not None
    assert (first[1] == again[0]).all()
    found = search._catalog().get("embedder", "letters")
    assert found is not None
    assert found.value.calls == [["owls", "larks"], ["doves"]]


async def test_no_texts_have_no_vectors(open_search: OpenSearch, docs: Path) -> None:
    _config(docs.parent)
    vectors = await (await open_search()).embed([])
    assert vectors is not None
    assert vectors.shape == (0, 26)


async def test_an_embedder_without_its_secret_leaves_search_by_keyword(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    _config(docs.parent, 'key = "secret:NO_SUCH_KEY"')
    search = await open_search()
    assert search.mode == "keyword"
    assert "NO_SUCH_KEY" in search.health().detail
    assert (await index(search, docs)).mode == "keyword"
    hits = await search.collection("default", "docs").hybrid("owls", 5)
    assert (len(hits), hits.degraded) == (1, True)


async def test_an_embedder_that_lies_about_its_size_is_named(
    open_search: OpenSearch, index: IndexAll, docs: Path
) -> None:
    _config(docs.parent, "lies = true")
    search = await open_search()
    with pytest.raises(PluginError, match="letters returned no array of shape"):
        await search.embed(["owls"])
    with pytest.raises(StorageError, match="letters returned no array of shape"):
        await index(search, docs)
    assert len(await search.collection("default", "docs").hybrid("owls", 5)) == 1


async def test_a_model_that_cannot_be_read_is_named_and_search_is_by_keyword(
    open_search: OpenSearch, index: IndexAll, docs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "all-MiniLM-L6-v2"
    folder.mkdir(parents=True)
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).write_text("{}")
    search = await open_search(tmp_path / "models")
    with pytest.raises(
        StorageError, match=r"The model in .*MiniLM-L6-v2 cannot be loaded .*hubbub models pull"
    ):
        await index(search, docs)
    hits = await search.collection("default", "docs").hybrid("owls", 5)
    assert (len(hits), hits.mode, hits.degraded) == (1, "keyword", True)


async def test_an_embedder_that_could_not_be_loaded_leaves_search_by_keyword(
    open_search: OpenSearch, docs: Path
) -> None:
    _config(docs.parent)
    (docs.parent / "plugins" / "letters.py").write_text("1 / 0")
    search = await open_search()
    assert search.mode == "keyword"
    assert "hubbub plugin list" in search.health().detail
    assert await search.embed(["owls"]) is None
