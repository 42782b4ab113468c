"""Arguments that no model can be told.

Found by: its arguments have a schema.
"""

from collections.abc import Callable

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Calls."
    examples = ({},)

    class Args(BaseModel):
        then: Callable[[], str] = str

    async def run(self, args, ctx):
        return args.then()


@hookimpl
def register_tools():
    return [Bad()]
