"""retriever.keyword: passages that share words with the query, ranked by BM25."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from hubbub import Context, Hit, hookimpl


class Params(BaseModel):
    """Where to search, and which metadata or path a hit must have."""

    collection: str = "docs"
    filter: dict[str, Any] | None = None


class Keyword:
    """Needs no model, and finds new documents as soon as they are read."""

    name = "keyword"
    Params = Params

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return at most `k` hits, best first."""
        params = ctx.params or Params()
        return await ctx.collection(params.collection).keyword(query, k, params.filter)


@hookimpl
def register_retrievers() -> list[Keyword]:
    """Supply `retriever.keyword`."""
    return [Keyword()]
