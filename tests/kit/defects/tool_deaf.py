"""Cancellation starts the work once more.

Found by: a cancelled call ends.
"""

import asyncio

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Works."
    examples = ({},)

    class Args(BaseModel):
        pass

    async def run(self, args, ctx):
        for _ in range(3):
            try:
                await asyncio.sleep(0.05)
                return "done"
            except BaseException:
                continue
        return "gave up"


@hookimpl
def register_tools():
    return [Bad()]
