"""retriever.hybrid: keyword and dense search brought together, better than either alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, Hit, SearchQuery, hookimpl


class Params(BaseModel):
    """Where to search, what a hit must have, and what is told beside the hits.

    `weight` is what the dense score weighs (`[search] weight`), `mmr` what variety does; `rerank` is how
    many of the best hits a cross-encoder reads again.  `facets` are the metadata fields to count, `highlight`
    marks the words of the query, `suggest` corrects their spelling: `meta.facets` and `meta.did_you_mean`
    have them.
    """

    collection: str = "docs"
    filter: dict[str, Any] | None = None
    weight: float | None = Field(default=None, ge=0, le=1)
    mmr: float | None = Field(default=None, ge=0, le=1)
    rerank: int | None = Field(default=None, ge=0, le=100)
    facets: list[str] | None = None
    highlight: bool = False
    suggest: bool = False


class Hybrid:
    """Searches by keyword alone, and says `degraded`, while there is no model or no vector."""

    name = "hybrid"
    Params = Params

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return at most `k` hits, best first."""
        params = ctx.params or Params()
        wanted = SearchQuery(
            query,
            k,
            filter=params.filter,
            weight=params.weight,
            mmr=params.mmr or 0.0,
            rerank=params.rerank or 0,
            facets=params.facets or (),
            highlight=params.highlight,
            suggest=params.suggest,
        )
        return await ctx.collection(params.collection).search(wanted)


@hookimpl
def register_retrievers() -> list[Hybrid]:
    """Supply `retriever.hybrid`."""
    return [Hybrid()]
