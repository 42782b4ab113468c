"""The three retrievers hand their parameters to the collection."""

from types import SimpleNamespace
from typing import Any

import pytest

from hubbub import Hit, Hits, Retriever, SearchQuery
from plugins import dense, hybrid, keyword


class Asked:
    """A collection that notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        async def search(*values: Any) -> Hits:
            self.calls.append((name, values))
            return Hits([Hit("1", "text", 1.0)], mode=name)

        return search


@pytest.mark.parametrize("module", [dense, keyword])
async def test_a_retriever_searches_the_named_collection_its_own_way(module: Any) -> None:
    (retriever,) = module.register_retrievers()
    assert isinstance(retriever, Retriever)
    asked = Asked()
    params = module.Params(collection="handbook", filter={"year": 2020})
    ctx: Any = SimpleNamespace(params=params, collection=lambda name: asked if name == "handbook" else None)
    hits = await retriever.search("owls", 4, ctx)
    assert len(hits) == 1
    name, values = asked.calls[0]
    assert name == retriever.name
    assert values[:3] == ("owls", 4, {"year": 2020})


async def test_the_hybrid_one_asks_for_everything_that_its_parameters_say() -> None:
    asked = Asked()
    params = hybrid.Params(
        filter={"year": 2020}, mmr=0.3, rerank=20, facets=["year"], highlight=True, suggest=True
    )
    ctx: Any = SimpleNamespace(params=params, collection=lambda name: asked)
    await hybrid.Hybrid().search("owls", 4, ctx)
    ((name, (query,)),) = asked.calls
    assert name == "search"
    assert query == SearchQuery(
        "owls", 4, filter={"year": 2020}, mmr=0.3, rerank=20, facets=["year"], highlight=True, suggest=True
    )


async def test_without_parameters_the_collection_is_docs() -> None:
    asked: list[str] = []

    def collection(name: str) -> Asked:
        asked.append(name)
        return Asked()

    ctx: Any = SimpleNamespace(params=None, collection=collection)
    await hybrid.Hybrid().search("owls", 1, ctx)
    assert asked == ["docs"]
