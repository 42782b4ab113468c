"""A query that is no pattern is a failure.

Found by: an odd query is no failure.
"""

import re

from hubbub import Hit, hookimpl


class Bad:
    name = "bad"

    async def search(self, query, k, ctx):
        found = re.search(query, "Owls hunt mice at night. (When?)")
        return [Hit("1", found[0], 1.0)] if found else []


@hookimpl
def register_retrievers():
    return [Bad()]
