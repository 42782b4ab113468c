"""A passage is found twice.

Found by: its answers are such as its kind allows; it gives no more than it is asked for; an odd query is no failure.
"""

from hubbub import Hit, hookimpl


class Bad:
    name = "bad"

    async def search(self, query, k, ctx):
        return [Hit("same", "text", 1.0), Hit("same", "text", 0.5)][:k]


@hookimpl
def register_retrievers():
    return [Bad()]
