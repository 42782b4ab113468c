"""retriever.hybrid: keyword and dense search brought together, better than either alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, Hit, hookimpl


class Params(BaseModel):
    """Where to search, what a hit must have, and how much the dense score weighs (`[search] weight`)."""

    collection: str = "docs"
    filter: dict[str, Any] | None = None
    weight: float | None = Field(default=None, ge=0, le=1)


class Hybrid:
    """Searches by keyword alone, and says `degraded`, while there is no model or no vector."""

    name = "hybrid"
    Params = Params

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return at most `k` hits, best first."""
        params = ctx.params or Params()
        return await ctx.collection(params.collection).hybrid(query, k, params.filter, params.weight)


@hookimpl
def register_retrievers() -> list[Hybrid]:
    """Supply `retriever.hybrid`."""
    return [Hybrid()]
