"""The caller's parameters are changed on the way.

Found by: what it is given stays as it was.
"""

from pydantic import BaseModel

from hubbub import Hit, hookimpl


class Bad:
    name = "bad"

    class Params(BaseModel):
        filter: dict = {}

    async def search(self, query, k, ctx):
        ctx.params.filter["tenant"] = ctx.tenant
        return [Hit("1", "text", 1.0)]


@hookimpl
def register_retrievers():
    return [Bad()]
