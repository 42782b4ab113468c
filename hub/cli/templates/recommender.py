"""A recommender: items for a user, for `use = "recommender.sample"` in a graph."""

from __future__ import annotations

from collections.abc import Sequence

from hubbub import Context, Item, hookimpl

LIKED = {"tea": 9.0, "milk": 7.0, "salt": 4.0, "rice": 2.0}
HAS = {"ann": ("tea",), "bob": ("milk", "salt")}


class Sample:
    """Recommends what most people like and the user does not have yet."""

    name = "sample"
    examples = ("ann", "bob")

    async def recommend(self, user: str, k: int, ctx: Context) -> Sequence[Item]:
        """Return at most `k` items, best first; somebody unknown gets what most people like."""
        left = [name for name in LIKED if name not in HAS.get(user, ())]
        return [Item(id=name, score=LIKED[name], because=("Many people like it.",)) for name in left[:k]]


@hookimpl
def register_recommenders() -> list[Sample]:
    """Supply `recommender.sample`."""
    return [Sample()]
