"""The worst hit comes first.

Found by: its answers are such as its kind allows; it gives no more than it is asked for; an odd query is no failure.
"""

from hubbub import Hit, hookimpl


class Bad:
    name = "bad"

    async def search(self, query, k, ctx):
        return [Hit(str(number), "text", float(number)) for number in range(k)]


@hookimpl
def register_retrievers():
    return [Bad()]
