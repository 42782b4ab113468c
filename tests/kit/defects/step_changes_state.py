"""The state is written to directly.

Found by: the state stays as it was.
"""

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"

    class Params(BaseModel):
        pass

    async def run(self, state, params, ctx):
        state["answer"] = "yes"
        return {}


@hookimpl
def register_steps():
    return [Bad()]
