"""A reason without words.

Found by: its answers are such as its kind allows; a new user is no failure.
"""

from hubbub import Item, hookimpl


class Bad:
    name = "bad"

    async def recommend(self, user, k, ctx):
        return [Item("tea", 1.0, ("",))]


@hookimpl
def register_recommenders():
    return [Bad()]
