"""retriever.dense: passages that mean something like the query, ranked by the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from hubbub import Context, Hit, hookimpl


class Params(BaseModel):
    """Where to search, and which metadata or path a hit must have."""

    collection: str = "docs"
    filter: dict[str, Any] | None = None


class Dense:
    """Finds nothing, and says `degraded`, while there is no model or no vector."""

    name = "dense"
    Params = Params

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return at most `k` hits, best first."""
        params = ctx.params or Params()
        return await ctx.collection(params.collection).dense(query, k, params.filter)


@hookimpl
def register_retrievers() -> list[Dense]:
    """Supply `retriever.dense`."""
    return [Dense()]
