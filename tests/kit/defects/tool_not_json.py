"""A result that cannot be stored.

Found by: its answers are such as its kind allows.
"""

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Opens."
    examples = ({},)

    class Args(BaseModel):
        pass

    async def run(self, args, ctx):
        return {"opened": object()}


@hookimpl
def register_tools():
    return [Bad()]
