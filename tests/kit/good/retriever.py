"""A search in two sentences."""

from pydantic import BaseModel

from hubbub import Hit, hookimpl

TEXTS = {"owls": "Owls hunt mice at night.", "larks": "Larks sing in the morning."}


class Shared:
    """Counts the words that a text shares with the query."""

    name = "shared"

    class Params(BaseModel):
        least: int = 1

    async def search(self, query, k, ctx):
        wanted = set(query.lower().split())
        found = [
            Hit(id, text, float(len(wanted & set(text.lower().split()))), {"path": id})
            for id, text in TEXTS.items()
        ]
        best = sorted(found, key=lambda hit: -hit.score)
        return [hit for hit in best if hit.score >= ctx.params.least][:k]


@hookimpl
def register_retrievers():
    return [Shared()]
