"""What most people like, without what one has already."""

from hubbub import Item, hookimpl

LIKED = {"tea": 9.0, "milk": 7.0, "salt": 4.0, "rice": 2.0}
HAS = {"ann": ("tea",), "bob": ()}


class Popular:
    """Works for strangers too."""

    name = "popular"
    examples = ("ann", "bob")

    async def recommend(self, user, k, ctx):
        left = [name for name in LIKED if name not in HAS.get(user, ())]
        return [Item(name, LIKED[name], ("many people like it",), "popular") for name in left[:k]]


@hookimpl
def register_recommenders():
    return [Popular()]
