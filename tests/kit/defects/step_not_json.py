"""A result that is a set of objects.

Found by: its answers are such as its kind allows.
"""

import re

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"

    class Params(BaseModel):
        pass

    async def run(self, state, params, ctx):
        return {"found": re.match("a", "a")}


@hookimpl
def register_steps():
    return [Bad()]
