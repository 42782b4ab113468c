"""A retriever: finds passages, for `use = "retriever.sample"` in a graph."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from hubbub import Context, Hit, hookimpl

TEXTS = {
    "owls": "Owls hunt mice at night.",
    "larks": "Larks sing in the morning.",
}


class Params(BaseModel):
    """What a graph may set beside `query` and `top_k`; it arrives as `ctx.params`."""

    least: int = 1


class Sample:
    """Finds the texts that share words with the query."""

    name = "sample"
    Params = Params
    examples = ("When do owls hunt?", "larks")

    async def search(self, query: str, k: int, ctx: Context) -> Sequence[Hit]:
        """Return at most `k` hits, best first."""
        wanted = set(query.lower().split())
        shared = {id: len(wanted & set(text.lower().split())) for id, text in TEXTS.items()}
        found = [
            Hit(id=id, text=TEXTS[id], score=float(count), source={"path": id, "title": id})
            for id, count in shared.items()
            if count >= ctx.params.least
        ]
        return sorted(found, key=lambda hit: -hit.score)[:k]


@hookimpl
def register_retrievers() -> list[Sample]:
    """Supply `retriever.sample`."""
    return [Sample()]
