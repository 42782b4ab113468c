"""Somebody new is a failure.

Found by: a new user is no failure.
"""

from hubbub import Item, hookimpl

HAS = {"ann": ["tea"], "bob": ["milk"]}


class Bad:
    name = "bad"
    examples = ("ann", "bob")

    async def recommend(self, user, k, ctx):
        return [Item(name, 1.0, ("you had it before",)) for name in HAS[user][:k]]


@hookimpl
def register_recommenders():
    return [Bad()]
